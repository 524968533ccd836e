/** Reads the photo and the mask of a result, and writes a corrected mask. */
import type { WhitebgClient } from "@whitebg/client";

import type { Photo } from "../model/photos";
import { EditableMask } from "./mask";

export interface Material {
  mask: EditableMask;
  /** RGBA of the mask's size. */
  photo: ImageData;
}

/** Load photo and mask. The photo is taken from its result where the browser can't decode the original. */
export async function loadMaterial(client: WhitebgClient, { taskId, detail }: Photo): Promise<Material> {
  if (taskId === null) throw new Error("a photo without a task has no mask");
  const bitmap = await createImageBitmap(await client.download(taskId, { image: "mask" }));
  const { width, height } = bitmap;
  const canvas = canvasOf(width, height);
  canvas.drawImage(bitmap, 0, 0);
  const grey = canvas.getImageData(0, 0, width, height).data;
  const values = new Uint8Array(width * height);
  for (let at = 0; at < values.length; at += 1) values[at] = grey[4 * at] ?? 0;
  canvas.clearRect(0, 0, width, height);
  try {
    const photo = await createImageBitmap(await client.download(taskId, { image: "input" }), { imageOrientation: "from-image" });
    canvas.drawImage(photo, 0, 0, width, height);
  } catch (error) {
    const placement = detail?.result?.placement ?? null;
    if (placement === null) throw error;
    const result = await createImageBitmap(await client.download(taskId));
    const scale = width / placement.photo_width / placement.scale;
    canvas.drawImage(result, -placement.x * scale, -placement.y * scale, result.width * scale, result.height * scale);
  }
  return { mask: new EditableMask(width, height, values), photo: canvas.getImageData(0, 0, width, height) };
}

/**
 * Return a mask as a PNG. `snap`: only black and white, so that the service finds the outline at the photo's own edges;
 * a soft mask of the photo's size is used unchanged.
 */
export async function pngOf({ width, height, values }: EditableMask, snap: boolean): Promise<Blob> {
  const image = new ImageData(width, height);
  for (let at = 0; at < values.length; at += 1) {
    const value = values[at] ?? 0;
    image.data.fill(snap ? (value > 127 ? 255 : 0) : value, 4 * at, 4 * at + 3);
    image.data[4 * at + 3] = 255;
  }
  const canvas = canvasOf(width, height);
  canvas.putImageData(image, 0, 0);
  return new Promise((resolve, reject) => {
    canvas.canvas.toBlob((blob) => (blob === null ? reject(new Error("the mask can't be encoded")) : resolve(blob)), "image/png");
  });
}

function canvasOf(width: number, height: number): CanvasRenderingContext2D {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (context === null) throw new Error("this browser has no canvas");
  return context;
}
