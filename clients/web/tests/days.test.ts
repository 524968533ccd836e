import { expect, test } from "vitest";

import { byDay, inOrder } from "../src/model/days";
import { type Photo, PhotoList } from "../src/model/photos";
import { upload } from "./support";

const NOON = new Date(2026, 10, 26, 12).getTime();
const DAY = 86_400_000;

function added(key: string, addedAt: number | null, batch: string | null = null): Photo {
  const [photo] = new PhotoList().of([upload(key)], [], new Map());
  if (photo === undefined) throw new Error("an upload is a photo");
  return { ...photo, addedAt, batch };
}

test("a batch stays together although other uploads came between its photos, and over midnight", () => {
  const days = byDay([
    added("e", NOON + 4, "b"),
    added("d", NOON + 3, "a"),
    added("c", NOON + 2, "b"),
    added("b", NOON + 1),
    added("a", NOON - DAY, "a"),
    added("z", NOON - DAY - 1),
    added("y", null),
  ]);
  expect(days.map(({ groups }) => groups.map(({ batch, photos }) => [batch, photos.map(({ key }) => key).join("")]))).toEqual([
    [["b", "ec"], ["a", "da"], [null, "b"]],
    [[null, "zy"]],
  ]);
  expect(inOrder(days).map(({ key }) => key).join("")).toBe("ecdabzy");
});

test("a later version stays on the day and in the batch of the first one", () => {
  const version = added("9", NOON + DAY);
  const original = added("2", NOON - 1, "a");
  const days = byDay([added("3", NOON, "a"), version, added("1", NOON - 2, "a")], new Map([["9", original]]));
  expect(days).toHaveLength(1);
  expect(inOrder(days).map(({ key }) => key)).toEqual(["3", "9", "1"]);
});

test("a day has one heading although a file between its photos has another time", () => {
  const days = byDay([added("3", NOON), added("x", NOON - 30 * DAY), added("2", NOON - 1)]);
  expect(days.map(({ groups }) => groups.flatMap(({ photos }) => photos.map(({ key }) => key)))).toEqual([["3", "2"], ["x"]]);
});
