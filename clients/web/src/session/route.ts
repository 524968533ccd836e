/** Which part of the page the address names: the photos, or the page for operators. */
export type Route = "photos" | "admin";

export function routeOf(path: string): Route {
  return path.replace(/\/+$/, "") === "/admin" ? "admin" : "photos";
}
