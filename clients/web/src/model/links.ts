/** Return the link by which a browser saves a result instead of showing it. */
export function downloadUrl(result: string): string {
  const url = new URL(result, location.href);
  url.searchParams.set("download", "true");
  return url.href;
}
