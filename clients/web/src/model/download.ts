/** Taking pictures away: one, or all in a ZIP that is put together here. */
import { downloadZip } from "client-zip";

import type { Photo } from "./photos";

const EXTENSIONS: Record<string, string> = { "image/png": "png", "image/jpeg": "jpg", "image/webp": "webp" };
const ZIP_NAME = "whitebg.zip";

export function downloadUrl(result: string): string {
  const url = new URL(result, location.href);
  url.searchParams.set("download", "true");
  return url.href;
}

/** Fetch each picture in turn and save them as one file. Throws if one can't be fetched. */
export async function saveAll(photos: readonly Photo[]): Promise<void> {
  const blob = await downloadZip(entries(photos)).blob();
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = ZIP_NAME;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

async function* entries(photos: readonly Photo[]) {
  const taken = new Set<string>();
  for (const photo of photos) {
    if (photo.result === null) continue;
    const answer = await fetch(photo.result);
    if (!answer.ok) throw new Error(`${photo.name}: ${answer.status}`);
    const extension = EXTENSIONS[answer.headers.get("Content-Type") ?? ""] ?? "png";
    yield { name: freeName(photo.name, extension, taken), input: answer };
  }
}

/** Return `<name>-white.<extension>`, numbered where two photos have the same name. */
export function freeName(photo: string, extension: string, taken: Set<string>): string {
  const stem = photo.replace(/\.[^.]*$/, "").replaceAll(/[\\/:*?"<>|]/g, "_") || "photo";
  let name = `${stem}-white.${extension}`;
  for (let n = 2; taken.has(name.toLowerCase()); n += 1) name = `${stem}-white-${n}.${extension}`;
  taken.add(name.toLowerCase());
  return name;
}
