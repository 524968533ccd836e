import { expect, test } from "vitest";

import { boxOf, maskOf } from "../src/viewer/placement";
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
  const placement = { scale: 0.5, x: -100, y: 50, photo_width: 2000, photo_height: 1000 };
  const size = { width: 800, height: 800 };
  expect(boxOf(placement, size)).toEqual({ left: "-12.5%", top: "6.25%", width: "125%", height: "62.5%" });
  // Position: -100 of the -200 px that are left beside a mask of 1000 px in a result of 800.
  expect(maskOf("/m", placement, size)).toMatchObject({ maskSize: "125% 62.5%", maskPosition: "50% 16.666666666666664%" });
});
