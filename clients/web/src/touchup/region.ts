/** The part of a photo under a click: a connected region of similar colour, on one side of the mask's outline. */
import type { EditableMask, Point } from "./mask";

/** Largest difference to the clicked colour, and between neighbours, of 441 (the diagonal of RGB). */
const TOLERANCE = 46;
const STEP = 22;
/** A separate part of the product is taken as a whole, whatever its colours, below this share of the product. */
const SEPARATE = 0.5;
/** Pixels around the part that are taken along: they hold the blurred edge. */
const MARGIN = 2;

/**
 * Mark the part at a point: of the product to drop it, or (`restores`) of the backdrop to keep it. `photo` is RGBA of
 * the mask's size. Nothing is marked where the point is already on the other side.
 */
export function partAt(photo: Uint8ClampedArray, mask: EditableMask, { x, y }: Point, restores: boolean): Uint8Array {
  const { width, height, values } = mask;
  const marked = new Uint8Array(width * height);
  const start = Math.floor(y) * width + Math.floor(x);
  const inside = (at: number): boolean => (values[at] ?? 0) > 127;
  if (x < 0 || y < 0 || x >= width || y >= height || inside(start) === restores) return marked;
  if (!restores) {
    const component = flood(width, height, start, (at) => inside(at));
    const product = values.reduce((sum, value) => sum + Number(value > 127), 0);
    if (component.count < SEPARATE * product) return grown(component.marked, mask, restores);
  }
  const difference = (a: number, b: number): number =>
    Math.hypot(
      (photo[4 * a] ?? 0) - (photo[4 * b] ?? 0),
      (photo[4 * a + 1] ?? 0) - (photo[4 * b + 1] ?? 0),
      (photo[4 * a + 2] ?? 0) - (photo[4 * b + 2] ?? 0),
    );
  const part = flood(
    width,
    height,
    start,
    (at, from) => inside(at) !== restores && difference(at, start) <= TOLERANCE && difference(at, from) <= STEP,
  );
  return grown(part.marked, mask, restores);
}

function flood(
  width: number,
  height: number,
  start: number,
  joins: (at: number, from: number) => boolean,
): { marked: Uint8Array; count: number } {
  const marked = new Uint8Array(width * height);
  marked[start] = 1;
  const stack = [start];
  let count = 0;
  for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
    count += 1;
    const column = at % width;
    const around = [column > 0 ? at - 1 : -1, column < width - 1 ? at + 1 : -1, at - width, at + width];
    for (const next of around) {
      if (next < 0 || next >= marked.length || marked[next] === 1 || !joins(next, at)) continue;
      marked[next] = 1;
      stack.push(next);
    }
  }
  return { marked, count };
}

/** Return a part with its margin, as far as that is on the same side of the outline or on the outline itself. */
function grown(marked: Uint8Array, { width, height, values }: EditableMask, restores: boolean): Uint8Array {
  let part = marked;
  for (let round = 0; round < MARGIN; round += 1) {
    const next = part.slice();
    for (let at = 0; at < part.length; at += 1) {
      if (part[at] === 1 || (values[at] ?? 0) === (restores ? 255 : 0)) continue;
      const column = at % width;
      const touches =
        (column > 0 && part[at - 1] === 1) ||
        (column < width - 1 && part[at + 1] === 1) ||
        (at >= width && part[at - width] === 1) ||
        (at < width * (height - 1) && part[at + width] === 1);
      if (touches) next[at] = 1;
    }
    part = next;
  }
  return part;
}
