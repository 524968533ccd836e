import { expect, test } from "vitest";

import { engineName } from "../src/admin/engines";
import { ageOf, merged, perMinute, reasonsOf } from "../src/admin/figures";
import { TEXTS } from "../src/admin/texts";

test.each([
  [0, "0 s"],
  [119.9, "119 s"],
  [120, "2 min"],
  [7_199, "119 min"],
  [7_200, "2 h"],
  [172_800, "2 d"],
])("%d s are shown as %s", (seconds, shown) => {
  expect(ageOf(seconds, TEXTS.en)).toBe(shown);
});

test("a rate is that of a minute", () => {
  expect(perMinute(15, 300)).toBe(3);
  expect(perMinute(15, 0)).toBe(0);
});

test("reasons are counted, the most frequent first", () => {
  const reasons = ["IMAGE_NOT_FOUND", "QUOTA_EXCEEDED", "QUOTA_EXCEEDED"];
  expect(reasonsOf(reasons.map((reason) => ({ reason })))).toBe("QUOTA_EXCEEDED 2, IMAGE_NOT_FOUND 1");
});

test("an engine that the page does not know is shown by its id", () => {
  expect(engineName("local", TEXTS.zh)).toBe("本地");
  expect(engineName("quantum", TEXTS.en)).toBe("quantum");
});

test("work that is requested while it runs is done once more, and never twice at the same time", async () => {
  const ends: (() => void)[] = [];
  const start = merged(() => new Promise<void>((resolve) => void ends.push(resolve)));
  start();
  start();
  start();
  expect(ends).toHaveLength(1);
  ends[0]?.();
  await Promise.resolve();
  await Promise.resolve();
  expect(ends).toHaveLength(2);
  ends[1]?.();
  await Promise.resolve();
  await Promise.resolve();
  expect(ends).toHaveLength(2);
  start();
  expect(ends).toHaveLength(3);
});
