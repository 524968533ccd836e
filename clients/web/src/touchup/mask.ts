/** A product's mask while it is edited: brush strokes, filled parts, undo and redo. */

export interface Rect {
  left: number;
  top: number;
  /** Exclusive, like `bottom`. */
  right: number;
  bottom: number;
}

export interface Brush {
  /** Radius in pixels of the mask. */
  radius: number;
  /** Share of the radius over which the effect fades, 0 to 1. */
  softness: number;
  /** Whether it restores the product, instead of erasing it. */
  restores: boolean;
}

interface Change {
  rect: Rect;
  before: Uint8Array;
  after: Uint8Array;
}

const MOST_CHANGES = 60;

export class EditableMask {
  readonly #undo: Change[] = [];
  readonly #redo: Change[] = [];
  /** The mask before the stroke in progress, and the part that it has changed; null between strokes. */
  #stroke: { before: Uint8Array; rect: Rect | null } | null = null;

  /** `values`: rows of 0 (backdrop) to 255 (product); they are changed in place. */
  constructor(
    readonly width: number,
    readonly height: number,
    readonly values: Uint8Array,
  ) {}

  get canUndo(): boolean {
    return this.#undo.length > 0;
  }

  get canRedo(): boolean {
    return this.#redo.length > 0;
  }

  begin(): void {
    this.#stroke = { before: this.values.slice(), rect: null };
  }

  /** Draw from one point to another, in pixels of the mask; return the part that may have changed. */
  draw(from: Point, to: Point, brush: Brush): Rect {
    const length = Math.hypot(to.x - from.x, to.y - from.y);
    const steps = Math.max(1, Math.ceil(length / Math.max(0.5, brush.radius / 4)));
    let rect: Rect | null = null;
    for (let step = 0; step <= steps; step += 1) {
      const share = step / steps;
      const at = { x: from.x + (to.x - from.x) * share, y: from.y + (to.y - from.y) * share };
      rect = union(rect, this.#stamp(at, brush));
    }
    const changed = rect ?? NOTHING;
    if (this.#stroke !== null) this.#stroke.rect = union(this.#stroke.rect, changed);
    return changed;
  }

  /** End the stroke in progress, to be undone as a whole. */
  commit(): void {
    const stroke = this.#stroke;
    this.#stroke = null;
    if (stroke?.rect == null) return;
    this.#record(stroke.rect, stroke.before);
  }

  /** Undo the stroke in progress, such as when a second finger joins; return the part that changed. */
  abandon(): Rect {
    const stroke = this.#stroke;
    this.#stroke = null;
    if (stroke === null) return NOTHING;
    this.values.set(stroke.before);
    return stroke.rect ?? NOTHING;
  }

  /** Set all marked pixels to product or backdrop; return the part that changed. */
  fill(marked: Uint8Array, restores: boolean): Rect {
    const before = this.values.slice();
    let rect: Rect | null = null;
    for (let y = 0; y < this.height; y += 1) {
      for (let x = 0; x < this.width; x += 1) {
        const at = y * this.width + x;
        if (marked[at] === 0) continue;
        this.values[at] = restores ? 255 : 0;
        rect = union(rect, { left: x, top: y, right: x + 1, bottom: y + 1 });
      }
    }
    if (rect !== null) this.#record(rect, before);
    return rect ?? NOTHING;
  }

  undo(): Rect {
    return this.#swap(this.#undo, this.#redo, "before");
  }

  redo(): Rect {
    return this.#swap(this.#redo, this.#undo, "after");
  }

  #record(rect: Rect, before: Uint8Array): void {
    this.#undo.push({ rect, before: this.#part(before, rect), after: this.#part(this.values, rect) });
    if (this.#undo.length > MOST_CHANGES) this.#undo.shift();
    this.#redo.length = 0;
  }

  #swap(from: Change[], to: Change[], which: "before" | "after"): Rect {
    const change = from.pop();
    if (change === undefined) return NOTHING;
    to.push(change);
    const { left, top, right, bottom } = change.rect;
    const width = right - left;
    for (let y = top; y < bottom; y += 1) {
      const row = (y - top) * width;
      this.values.set(change[which].subarray(row, row + width), y * this.width + left);
    }
    return change.rect;
  }

  #part(values: Uint8Array, { left, top, right, bottom }: Rect): Uint8Array {
    const width = right - left;
    const part = new Uint8Array(width * (bottom - top));
    for (let y = top; y < bottom; y += 1) {
      const row = y * this.width;
      part.set(values.subarray(row + left, row + right), (y - top) * width);
    }
    return part;
  }

  #stamp({ x, y }: Point, { radius, softness, restores }: Brush): Rect {
    const rect = {
      left: Math.max(0, Math.floor(x - radius)),
      top: Math.max(0, Math.floor(y - radius)),
      right: Math.min(this.width, Math.ceil(x + radius) + 1),
      bottom: Math.min(this.height, Math.ceil(y + radius) + 1),
    };
    if (rect.left >= rect.right || rect.top >= rect.bottom) return NOTHING;
    const solid = radius * (1 - softness);
    const fade = Math.max(1, radius - solid);
    for (let row = rect.top; row < rect.bottom; row += 1) {
      for (let column = rect.left; column < rect.right; column += 1) {
        const distance = Math.hypot(column - x, row - y);
        const strength = Math.min(1, Math.max(0, (radius - distance) / fade));
        if (strength === 0) continue;
        const at = row * this.width + column;
        const old = this.values[at] ?? 0;
        // The greater effect, not the sum: a stroke over itself stays as soft as it was.
        const value = Math.round(255 * strength);
        this.values[at] = restores ? Math.max(old, value) : Math.min(old, 255 - value);
      }
    }
    return rect;
  }
}

export interface Point {
  x: number;
  y: number;
}

export const NOTHING: Rect = { left: 0, top: 0, right: 0, bottom: 0 };

export function union(a: Rect | null, b: Rect): Rect {
  if (a === null || a.left >= a.right) return b;
  if (b.left >= b.right) return a;
  return {
    left: Math.min(a.left, b.left),
    top: Math.min(a.top, b.top),
    right: Math.max(a.right, b.right),
    bottom: Math.max(a.bottom, b.bottom),
  };
}
