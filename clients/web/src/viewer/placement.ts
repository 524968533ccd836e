/** Where the photo lies in its result. */
import type { CSSProperties } from "react";

import type { Result } from "../model/report";
import type { Crop } from "../position/fit";

type Placement = NonNullable<Result["placement"]>;

/** Return the box of the photo as CSS, in percent of a box that the result fills. */
export function boxOf({ scale, x, y, rotation, photo_width, photo_height }: Placement, { width, height }: Size): CSSProperties {
  return {
    left: percent(x / width),
    top: percent(y / height),
    width: percent((photo_width * scale) / width),
    height: percent((photo_height * scale) / height),
    ...turned(rotation),
  };
}

/** Return the box of the result as CSS, in percent of the photo's box; on the page, it stays in its own position. */
export function resultBoxOf({ scale, x, y, rotation, photo_width, photo_height }: Placement, { width, height }: Size): CSSProperties {
  const angle = (rotation * Math.PI) / 180;
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const [across, down] = [photo_width * scale, photo_height * scale];
  return {
    left: percent((-x * cos - y * sin) / across),
    top: percent((x * sin - y * cos) / down),
    width: percent(width / across),
    height: percent(height / down),
    ...turned(-rotation),
  };
}

/** Return the properties by which CSS shows the part of a photo's box that its mask and its crop leave. */
export function maskOf(url: string, crop: Crop | null): CSSProperties {
  return {
    maskImage: `url("${url}")`,
    maskMode: "luminance",
    maskRepeat: "no-repeat",
    maskSize: "100% 100%",
    ...(crop === null
      ? {}
      : { clipPath: `inset(${percent(crop.top)} ${percent(1 - crop.right)} ${percent(1 - crop.bottom)} ${percent(crop.left)})` }),
  };
}

function turned(degrees: number): CSSProperties {
  return degrees === 0 ? {} : { transform: `rotate(${degrees}deg)`, transformOrigin: "0 0" };
}

interface Size {
  width: number;
  height: number;
}

function percent(share: number): string {
  return `${share * 100}%`;
}
