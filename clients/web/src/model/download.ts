/** Downloads: one picture, or many in a ZIP file made in the browser. */
import { downloadZip } from "client-zip";

import type { Photo } from "./photos";

const EXTENSIONS: Record<string, string> = { "image/png": "png", "image/jpeg": "jpg", "image/webp": "webp" };
const ZIP_NAME = "whitebg.zip";
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

export interface Packing {
  /** With the fields {name}, {sku}, {market} and {n}. */
  pattern: string;
  onProgress: (done: number, total: number) => void;
  download: (taskId: number) => Promise<File>;
}

/** Fetch each picture in turn and save them as one file, with a report. Throws if one can't be fetched. */
export async function saveAll(photos: readonly Photo[], packing: Packing): Promise<void> {
  const blob = await downloadZip(entries(photos, packing)).blob();
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = ZIP_NAME;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

async function* entries(photos: readonly Photo[], { pattern, onProgress, download }: Packing) {
  const taken = new Set<string>();
  const report = [REPORT_HEAD];
  const several = new Set(photos.map(({ market }) => market)).size > 1;
  let n = 0;
  for (const photo of photos) {
    if (photo.taskId === null || photo.result === null) continue;
    onProgress(n, photos.length);
    const file = await download(photo.taskId);
    n += 1;
    const stem = fromPattern(pattern, photo, n);
    const name = (several ? `${photo.market}/` : "") + freeName(stem, EXTENSIONS[file.type] ?? "png", taken, several ? photo.market : "");
    report.push(reportLine(name, photo));
    yield { name, input: file };
  }
  onProgress(photos.length, photos.length);
  // With a byte order mark, by which spreadsheet programs recognise UTF-8.
  yield { name: "report.csv", input: `\ufeff${report.map(csvLine).join("")}` };
}

const REPORT_HEAD = ["file", "photo", "market", "verdict", "reasons", "decision", "width", "height", "bytes"];

function reportLine(file: string, { name, market, detail, decision: decided }: Photo): string[] {
  const decision = decided ?? "";
  const result = detail?.result ?? null;
  if (result === null) return [file, name, market, "", "", decision, "", "", ""];
  const { verdict, verdict_reasons, width, height, size_bytes } = result;
  return [file, name, market, verdict, verdict_reasons.join(" "), decision, String(width), String(height), String(size_bytes)];
}

/** Return fields as a line of CSV (RFC 4180); a leading = + - @ is escaped, which spreadsheets run as a formula. */
export function csvLine(fields: readonly string[]): string {
  const cells = fields.map((field) => {
    const text = /^[=+\-@\t]/.test(field) ? `'${field}` : field;
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  });
  return `${cells.join(",")}\r\n`;
}

/** File systems limit names to 255 bytes; the number and the extension must fit too. */
const MAX_STEM_BYTES = 230;
/** So that the rest of a pattern is not cut off. */
const MAX_NAME_BYTES = 200;

/** Shorten a name to a number of bytes of UTF-8, whole characters only. */
function shortened(name: string, most: number): string {
  const bytes = new TextEncoder().encode(name);
  if (bytes.length <= most) return name;
  return new TextDecoder().decode(bytes.subarray(0, most), { stream: true });
}

/**
 * Return a file's name without extension: {name} is the photo's, {sku} its part before the first space, _ or -, and {n}
 * its number.
 */
export function fromPattern(pattern: string, { name, market }: Pick<Photo, "name" | "market">, n: number): string {
  const photo = name.replace(/\.[^.]*$/, "") || "photo";
  const fields: Partial<Record<string, string>> = {
    name: shortened(photo, MAX_NAME_BYTES),
    sku: /^[^\s_-]+/.exec(photo)?.[0] ?? photo,
    market: market === "" ? "custom" : market,
    n: String(n).padStart(3, "0"),
  };
  const filled = pattern.replaceAll(/\{(\w+)\}/g, (whole, field: string) => fields[field] ?? whole);
  return shortened(filled.replaceAll(/[\\/:*?"<>|]/g, "_").trim(), MAX_STEM_BYTES) || "photo";
}

/** Return a free name, numbered where two photos have the same. */
export function freeName(stem: string, extension: string, taken: Set<string>, folder = ""): string {
  const key = (name: string): string => `${folder}/${name}`.toLowerCase();
  let name = `${stem}.${extension}`;
  for (let n = 2; taken.has(key(name)); n += 1) name = `${stem}-${n}.${extension}`;
  taken.add(key(name));
  return name;
}
