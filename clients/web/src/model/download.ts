/** Downloads: a picture to the clipboard, or many as ZIP files, which the gateway makes. */
import { extensionOf, type Photo } from "./photos";

/** Results in one file. */
const MOST = 1000;
/** Name of each picture without folder and extension. */
export const DEFAULT_PATTERN = "{name}-white";
const STORED_PATTERN = "whitebg.pattern";

export function storedPattern(): string {
  return localStorage.getItem(STORED_PATTERN) ?? DEFAULT_PATTERN;
}

export function storePattern(pattern: string): void {
  localStorage.setItem(STORED_PATTERN, pattern);
}

/** Copy a picture to the clipboard, as PNG, which is the only type that browsers accept. */
export async function copyPicture(result: string): Promise<void> {
  const png = fetch(result).then(async (answer) => {
    const blob = await answer.blob();
    if (blob.type === "image/png") return blob;
    const bitmap = await createImageBitmap(blob);
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    canvas.getContext("2d")?.drawImage(bitmap, 0, 0);
    return canvas.convertToBlob({ type: "image/png" });
  });
  await navigator.clipboard.write([new ClipboardItem({ "image/png": png })]);
}

/** Starts to download the results of tasks as a ZIP, with names from a pattern. */
export type Archive = (taskIds: readonly number[], pattern: string) => Promise<Response>;

/** Save results as ZIP files of up to `MOST`; `onProgress` receives the share done, 0 to 1. Throws if a transfer ends early. */
export async function saveAll(
  photos: readonly Photo[],
  pattern: string,
  archive: Archive,
  onProgress: (share: number) => void,
): Promise<void> {
  const wanted = photos.flatMap(({ taskId, detail, result }) =>
    taskId === null || result === null ? [] : [{ taskId, bytes: detail?.result?.size_bytes ?? 0 }],
  );
  const total = wanted.reduce((sum, { bytes }) => sum + bytes, 0);
  const names = inFolders(pattern, photos);
  let received = 0;
  const onBytes = (count: number): void => {
    received += count;
    onProgress(total === 0 ? 0 : Math.min(1, received / total));
  };
  for (let at = 0; at < wanted.length; at += MOST) {
    const answer = await archive(wanted.slice(at, at + MOST).map(({ taskId }) => taskId), names);
    save(await counted(answer, onBytes).blob(), at === 0 ? "whitebg.zip" : `whitebg-${at / MOST + 1}.zip`);
  }
}

/** Return an example of a file's name in the ZIP; without its extension while the type of the picture is unknown. */
export function exampleOf(pattern: string, photos: readonly Photo[]): string {
  const sample = photos.find(({ detail }) => detail?.result != null) ?? photos[0];
  if (sample === undefined) return "";
  const type = sample.detail?.result?.content_type;
  return fromPattern(inFolders(pattern, photos), sample, 1) + (type === undefined ? "" : extensionOf(type));
}

/** Return the pattern with a folder for each market, if there are several and it does not separate them itself. */
export function inFolders(pattern: string, photos: readonly Pick<Photo, "market">[]): string {
  const several = new Set(photos.map(({ market }) => market)).size > 1;
  return several && !pattern.includes("{market}") ? `{market}/${pattern}` : pattern;
}

function counted({ body, headers }: Response, onBytes: (count: number) => void): Response {
  const counter = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      onBytes(chunk.byteLength);
      controller.enqueue(chunk);
    },
  });
  return new Response(body?.pipeThrough(counter) ?? null, { headers });
}

function save(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/**
 * Return an example of a file's name, without extension; the gateway names the files. {name} is the photo's, {sku} its part before the first space, _ or -, and {n}
 * its number.
 */
export function fromPattern(pattern: string, { name, market }: Pick<Photo, "name" | "market">, n: number): string {
  const photo = name.replace(/\.[^.]*$/, "") || "photo";
  const fields: Partial<Record<string, string>> = {
    name: photo,
    sku: /^[^\s_-]+/.exec(photo)?.[0] ?? photo,
    market: market === "" ? "custom" : market,
    n: String(n).padStart(3, "0"),
  };
  const filled = pattern.replaceAll(/\{(\w+)\}/g, (whole, field: string) => fields[field] ?? whole);
  return filled.replaceAll(/[\\:*?"<>|]/g, "_").trim() || "photo";
}
