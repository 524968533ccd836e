/** Where the photo lies in its result. */
import type { CSSProperties } from "react";

import type { Result } from "../model/report";

type Placement = NonNullable<Result["placement"]>;

/** Return the box of the photo as CSS, in percent of a box that the result fills. */
export function boxOf({ scale, x, y, photo_width, photo_height }: Placement, { width, height }: Size): CSSProperties {
  return {
    left: percent(x / width),
    top: percent(y / height),
    width: percent((photo_width * scale) / width),
    height: percent((photo_height * scale) / height),
  };
}

/** Return the properties by which CSS lays a mask of the photo over the result. */
export function maskOf(url: string, placement: Placement, { width, height }: Size): CSSProperties {
  const { scale, x, y, photo_width, photo_height } = placement;
  const [across, down] = [photo_width * scale, photo_height * scale];
  // A position in percent is a share of the space that the mask leaves, which may be negative.
  const at = (offset: number, space: number): string => percent(space === 0 ? 0 : offset / space);
  return {
    maskImage: `url("${url}")`,
    maskMode: "luminance",
    maskRepeat: "no-repeat",
    maskSize: `${percent(across / width)} ${percent(down / height)}`,
    maskPosition: `${at(x, width - across)} ${at(y, height - down)}`,
  };
}

interface Size {
  width: number;
  height: number;
}

function percent(share: number): string {
  return `${share * 100}%`;
}
