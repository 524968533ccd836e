import { expect, test } from "vitest";

import { boxOf, maskOf, resultBoxOf } from "../src/viewer/placement";
import { bounded, zoomed } from "../src/viewer/usePanZoom";

const SIDE = { x: 400, y: 400 };

test("the point under the pointer stays there while the picture is enlarged", () => {
  const at = { x: 300, y: 100 };
  const view = zoomed({ scale: 1, x: 0, y: 0 }, 2, at, SIDE);
  expect(view).toEqual({ scale: 2, x: -300, y: -100 });
  expect(zoomed(view, 0.5, at, SIDE)).toEqual({ scale: 1, x: 0, y: 0 });
  expect(zoomed(view, 0.01, at, SIDE).scale).toBe(1);
});

test("no gap opens beside the picture", () => {
  expect(bounded({ scale: 2, x: 50, y: -900 }, SIDE)).toEqual({ scale: 2, x: 0, y: -400 });
});

test("the photo's box and its mask follow the placement", () => {
  const placement = { scale: 0.5, x: -100, y: 50, photo_width: 2000, photo_height: 1000, rotation: 0 };
  const size = { width: 800, height: 800 };
  expect(boxOf(placement, size)).toEqual({ left: "-12.5%", top: "6.25%", width: "125%", height: "62.5%" });
  expect(resultBoxOf(placement, size)).toEqual({ left: "10%", top: "-10%", width: "80%", height: "160%" });
  const turned = { ...placement, rotation: 90 };
  expect(boxOf(turned, size)).toMatchObject({ transform: "rotate(90deg)", transformOrigin: "0 0" });
  // The result's corner is 50 px back along the turned photo's rows, and 100 px forth along its columns, negated.
  const { left, top, transform } = resultBoxOf(turned, size);
  expect([parseFloat(String(left)), parseFloat(String(top)), transform]).toEqual([expect.closeTo(-5), expect.closeTo(-20), "rotate(-90deg)"]);
  expect(maskOf("/m", { left: 0.1, top: 0, right: 0.75, bottom: 1 })).toMatchObject({ clipPath: "inset(0% 25% 0% 10%)" });
});
