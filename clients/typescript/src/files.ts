import { received } from "./problem.ts";

/** An image of a task. */
export type ImageName = "input" | "result" | "thumbnail" | "mask";

/** Read an image into a file with the server's name for it, else one derived from the photo's name. */
export async function fileOf(answer: Response, image: ImageName, photo: string): Promise<File> {
  const blob = await received(answer.blob());
  const type = blob.type.replace(/;.*/, "");
  return new File([blob], nameOf(answer.headers.get("Content-Disposition")) ?? fallback(photo, image, type), { type });
}

/** Return the `filename*` of a `Content-Disposition` header (RFC 6266), without folders; null if there is none. */
export function nameOf(disposition: string | null): string | null {
  const encoded = /;\s*filename\*=UTF-8''([^;\s]+)/i.exec(disposition ?? "")?.[1];
  try {
    return encoded === undefined ? null : decodeURIComponent(encoded).replace(/^.*[/\\]/, "");
  } catch {
    return null;
  }
}

/** Other origins can't read `Content-Disposition` unless the server exposes it. */
function fallback(photo: string, image: ImageName, type: string): string {
  if (image === "input" && photo !== "") return photo;
  const stem = photo.replace(/\.[^.]*$/, "") || "photo";
  return `${stem}-${image === "result" ? "white" : image}.${type.replace("image/", "") || "png"}`;
}
