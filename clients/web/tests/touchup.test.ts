import { expect, test } from "vitest";

import { EditableMask } from "../src/touchup/mask";
import { partAt } from "../src/touchup/region";

const SIZE = 40;
/** Return a mask whose product is a rectangle. */
function rectangle(left: number, top: number, right: number, bottom: number): EditableMask {
  const values = new Uint8Array(SIZE * SIZE);
  for (let y = top; y < bottom; y += 1) values.fill(255, y * SIZE + left, y * SIZE + right);
  return new EditableMask(SIZE, SIZE, values);
}

const sum = (mask: EditableMask): number => mask.values.reduce((total, value) => total + Number(value > 127), 0);

test("a stroke erases along its path, is undone as a whole, and comes back", () => {
  const mask = rectangle(0, 0, SIZE, SIZE);
  const whole = mask.values.slice();
  const brush = { radius: 3, softness: 0, restores: false };
  mask.begin();
  mask.draw({ x: 5, y: 20 }, { x: 20, y: 20 }, brush);
  mask.draw({ x: 20, y: 20 }, { x: 35, y: 20 }, brush);
  mask.commit();
  const erased = mask.values.slice();
  for (let x = 5; x <= 35; x += 1) expect(mask.values[20 * SIZE + x]).toBe(0);
  expect(mask.values[10 * SIZE + 20]).toBe(255);
  mask.undo();
  expect(mask.values).toEqual(whole);
  expect([mask.canUndo, mask.canRedo]).toEqual([false, true]);
  mask.redo();
  expect(mask.values).toEqual(erased);
});

test("a soft brush fades to its edge, and a stroke over itself stays soft", () => {
  const mask = rectangle(0, 0, 0, 0);
  const brush = { radius: 10, softness: 1, restores: true };
  mask.begin();
  for (let times = 0; times < 5; times += 1) mask.draw({ x: 20, y: 20 }, { x: 20, y: 20 }, brush);
  mask.commit();
  const along = [20, 23, 26, 29].map((x) => mask.values[20 * SIZE + x] ?? 0);
  expect(along).toEqual([255, 179, 102, 26]);
});

test("a stroke that a second finger interrupts leaves no trace", () => {
  const mask = rectangle(10, 10, 30, 30);
  const before = mask.values.slice();
  mask.begin();
  mask.draw({ x: 0, y: 0 }, { x: 39, y: 39 }, { radius: 4, softness: 0.5, restores: true });
  mask.abandon();
  expect(mask.values).toEqual(before);
  expect(mask.canUndo).toBe(false);
});

/** Return RGBA: a grey backdrop, with a coloured rectangle. */
function photo(left: number, top: number, right: number, bottom: number): Uint8ClampedArray {
  const pixels = new Uint8ClampedArray(4 * SIZE * SIZE);
  for (let y = 0; y < SIZE; y += 1) {
    for (let x = 0; x < SIZE; x += 1) {
      const red = x >= left && x < right && y >= top && y < bottom;
      pixels.set(red ? [200, 30, 30, 255] : [190, 190, 190, 255], 4 * (y * SIZE + x));
    }
  }
  return pixels;
}

test("a separate part is dropped with one click, the rest of the product stays", () => {
  const mask = rectangle(5, 5, 25, 25);
  for (let y = 30; y < 35; y += 1) mask.values.fill(255, y * SIZE + 30, y * SIZE + 35);
  mask.fill(partAt(photo(5, 5, 25, 25), mask, { x: 32, y: 32 }, false), false);
  expect(sum(mask)).toBe(400);
});

test("backdrop inside the product is dropped by its colour, up to the product's edge", () => {
  const mask = rectangle(5, 5, 25, 35); // The lower part is backdrop that was kept.
  mask.fill(partAt(photo(5, 5, 25, 25), mask, { x: 15, y: 30 }, false), false);
  expect(mask.values[30 * SIZE + 15]).toBe(0);
  expect(sum(mask)).toBeGreaterThan(340);
  expect(sum(mask)).toBeLessThanOrEqual(400);
});

test("a part that was cut away is kept by its colour, and undone in one step", () => {
  const mask = rectangle(5, 5, 25, 15); // The product goes down to 25.
  mask.fill(partAt(photo(5, 5, 25, 25), mask, { x: 15, y: 20 }, true), true);
  expect(mask.values[22 * SIZE + 10]).toBe(255);
  expect(mask.values[30 * SIZE + 10]).toBe(0);
  mask.undo();
  expect(sum(mask)).toBe(200);
});

test("a click on the other side of the outline, or outside, marks nothing", () => {
  const mask = rectangle(5, 5, 25, 25);
  for (const [x, y, restores] of [
    [2, 2, false],
    [10, 10, true],
    [-1, 3, true],
  ] as const) {
    expect(partAt(photo(5, 5, 25, 25), mask, { x, y }, restores).some((each) => each === 1)).toBe(false);
  }
});
