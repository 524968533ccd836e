import { describe, expect, test } from "vitest";

import { AUTOMATIC, cropOf, endsOf, fitOf, isAutomatic, type Mask, type Position } from "../src/position/fit";

/** A bar of 6 × 2 pixels at (2, 3) in a mask of 10 × 8. */
function bar(): Mask {
  const values = new Uint8Array(80);
  for (const y of [3, 4]) values.fill(255, y * 10 + 2, y * 10 + 8);
  return { width: 10, height: 8, values };
}

/** Return scale, x and y of the bar's fit, rounded to four digits. */
function fit(position: Position): number[] {
  const { scale, x, y } = fitOf(endsOf(bar()), 0.6, position) ?? { scale: 0, x: 0, y: 0 };
  return [scale, x, y].map((value) => Math.round(value * 1e4) / 1e4 + 0);
}

describe("the fit", () => {
  test("centres the product and lets its longest side fill the share", () => {
    expect(fit(AUTOMATIC)).toEqual([0.1, 0, 0.1]);
  });

  test("turns before it fits, then scales and moves", () => {
    // A quarter turn maps (x, y) to (-y, x): the bar's middle (5, 4) to (-4, 5).
    expect(fit({ ...AUTOMATIC, rotation: 90 })).toEqual([0.1, 0.9, 0]);
    expect(fit({ ...AUTOMATIC, scale: 2, move_x: 0.1, move_y: -0.2 })).toEqual([0.2, -0.4, -0.5]);
    expect(fit({ ...AUTOMATIC, rotation: 45 })[0]).toBeCloseTo(0.6 / (8 * Math.SQRT1_2), 3);
  });

  test("sees only the part in the crop", () => {
    const ends = endsOf(bar(), { left: 0, top: 0, right: 0.5, bottom: 1 });
    expect(fitOf(ends, 0.6, AUTOMATIC)?.scale).toBeCloseTo(0.2);
    expect(fitOf(endsOf(bar(), { left: 0, top: 0, right: 1, bottom: 0.25 }), 0.6, AUTOMATIC)).toBeNull();
  });
});

test("a crop has its edges in order, within the photo, and is not empty", () => {
  expect(cropOf({ left: 0.75, top: 0.25, right: 0.5, bottom: 0.5 })).toEqual({ left: 0.5, top: 0.25, right: 0.75, bottom: 0.5 });
  expect(cropOf({ left: 0.5, top: -1, right: 0.5, bottom: 2 })).toEqual({ left: 0.5, top: 0, right: 0.52, bottom: 1 });
  expect(cropOf({ left: 0, top: 0, right: 1, bottom: 1 })).toBeNull();
  expect(isAutomatic({ ...AUTOMATIC, crop: cropOf({ left: 0, top: 0, right: 1, bottom: 1 }) })).toBe(true);
  expect(isAutomatic({ ...AUTOMATIC, scale: 1.1 })).toBe(false);
});
