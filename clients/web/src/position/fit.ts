/** How the service fits a cut-out into its square frame, computed from the mask, so that it can be shown at once. */

export interface Position {
  /** Degrees clockwise, -180 to 180. */
  rotation: number;
  /** Shares of the frame's side, -0.5 to 0.5. */
  move_x: number;
  move_y: number;
  /** Factor of the fitted size, 0.2 to 4. */
  scale: number;
  /** Region of the photo that is shown, in shares of it; null: all. */
  crop: Crop | null;
}

export interface Crop {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/** Rows of 0 (backdrop) to 255 (product). */
export interface Mask {
  width: number;
  height: number;
  values: Uint8Array;
}

/** Where the mask's top left corner lies in a frame of side 1, and the length of one of its pixels there. */
export interface Fit {
  scale: number;
  x: number;
  y: number;
}

export const AUTOMATIC: Position = { rotation: 0, move_x: 0, move_y: 0, scale: 1, crop: null };
export const WHOLE: Crop = { left: 0, top: 0, right: 1, bottom: 1 };
export const MAX_MOVE = 0.5;
export const SCALES = { least: 0.2, most: 4 };
/** Alpha above this can be seen. */
const VISIBLE = 4;

/** Return the product's outermost points, as x and y in turn, in pixels of the mask: of each row, its two ends. */
export function endsOf({ width, height, values }: Mask, crop: Crop = WHOLE): number[] {
  const [left, right] = [Math.round(crop.left * width), Math.round(crop.right * width)];
  const [top, bottom] = [Math.round(crop.top * height), Math.round(crop.bottom * height)];
  const ends: number[] = [];
  for (let y = top; y < bottom; y += 1) {
    const row = values.subarray(y * width + left, y * width + right);
    const first = row.findIndex(isVisible);
    if (first < 0) continue;
    const last = row.findLastIndex(isVisible);
    ends.push(left + first, y, left + last + 1, y, left + first, y + 1, left + last + 1, y + 1);
  }
  return ends;
}

/** Turn, fit, scale and move a product, given by its ends, in this order; null where there is none. */
export function fitOf(ends: readonly number[], fill: number, { rotation, move_x, move_y, scale }: Position): Fit | null {
  if (ends.length === 0) return null;
  const [cos, sin] = [Math.cos((rotation * Math.PI) / 180), Math.sin((rotation * Math.PI) / 180)];
  let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
  for (let at = 0; at < ends.length; at += 2) {
    const [x = 0, y = 0] = [ends[at], ends[at + 1]];
    const [across, down] = [x * cos - y * sin, x * sin + y * cos];
    left = Math.min(left, across);
    right = Math.max(right, across);
    top = Math.min(top, down);
    bottom = Math.max(bottom, down);
  }
  const unit = (fill * scale) / Math.max(right - left, bottom - top);
  return {
    scale: unit,
    x: 0.5 + move_x - ((left + right) / 2) * unit,
    y: 0.5 + move_y - ((top + bottom) / 2) * unit,
  };
}

export function within(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}

export function isAutomatic({ rotation, move_x, move_y, scale, crop }: Position): boolean {
  return rotation === 0 && move_x === 0 && move_y === 0 && scale === 1 && crop === null;
}

/** Return the fields of a position that were set by hand. */
export function handMade(position: Position): Partial<Position> {
  const fields = Object.keys(AUTOMATIC) as (keyof Position)[];
  return Object.fromEntries(fields.filter((name) => position[name] !== AUTOMATIC[name]).map((name) => [name, position[name]]));
}

/** Return a crop with its edges in order, within the photo and not empty; null for the whole photo. */
export function cropOf({ left, top, right, bottom }: Crop): Crop | null {
  const edges = (a: number, b: number): [number, number] => {
    const first = within(Math.min(a, b), 0, 1 - LEAST_CROP);
    return [first, within(Math.max(a, b), first + LEAST_CROP, 1)];
  };
  const [[fromX, toX], [fromY, toY]] = [edges(left, right), edges(top, bottom)];
  if (fromX === 0 && fromY === 0 && toX === 1 && toY === 1) return null;
  return { left: fromX, top: fromY, right: toX, bottom: toY };
}

const LEAST_CROP = 0.02;

function isVisible(value: number): boolean {
  return value > VISIBLE;
}
