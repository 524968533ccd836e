import { expect, test } from "vitest";

import { doubtOf, PhotoList } from "../src/model/photos";
import { detail, task, upload } from "./support";

test("a photo keeps its key and preview when its upload becomes a task", () => {
  const list = new PhotoList();
  const [before] = list.of([upload("k")], []);
  const [after, ...others] = list.of([upload("k", { state: "sent", taskId: 7 })], [task(7)]);
  expect(others).toEqual([]);
  expect([after?.key, after?.before, after?.taskId]).toEqual([before?.key, "blob:k", 7]);
});

test("an event that comes before the answer does not show the photo twice", () => {
  const list = new PhotoList();
  const twice = [upload("k", { after: 6 }), upload("m", { after: 6 })];
  const keys = (...ids: number[]): string[] => list.of(twice, ids.map((id) => task(id))).map(({ key }) => key);
  expect(keys(7)).toEqual(["m", "k"]);
  expect(keys(8, 7)).toEqual(["m", "k"]);
  expect(keys(9, 8, 7)).toEqual(["m", "k", "9"]); // A third one is of another tab.
  expect(keys(6)).toEqual(["m", "k", "6"]); // Known before either was sent.
});

test("the order is that of the tasks, as after a reload; photos without a task are above", () => {
  const list = new PhotoList();
  const sent = (key: string, taskId: number): ReturnType<typeof upload> => upload(key, { state: "sent", taskId });
  const waiting = upload("b", { after: 9 });
  const keys = (uploads: ReturnType<typeof upload>[], ...ids: number[]): string[] =>
    list.of(uploads, ids.map((id) => task(id))).map(({ key }) => key);
  expect(keys([upload("a", { after: 9 }), waiting, sent("c", 5)], 5, 3)).toEqual(["b", "a", "c", "3"]);
  expect(keys([sent("a", 7), waiting, sent("c", 5)], 7, 5, 3)).toEqual(["b", "a", "c", "3"]);
  expect(keys([sent("a", 7), sent("b", 8), sent("c", 5)], 9, 8, 7, 6, 5, 3)).toEqual(["9", "b", "a", "6", "c", "3"]);
  expect(keys([sent("a", 7)], 3)).toEqual(["3"]); // Its task was deleted.
});

test("a photo about which nothing was said stays the same object", () => {
  const list = new PhotoList();
  const [one, two, sending] = [task(1), task(2), upload("k", { file: new File([], "other.jpg") })];
  const before = list.of([sending], [two, one]);
  const after = list.of([sending], [task(2, { progress: 60 }), one]);
  expect(after.map((photo, at) => photo === before[at])).toEqual([true, false, true]);
});

test("who is cancelled while being sent shows so at once, and as it ended once it has", () => {
  const list = new PhotoList();
  const cancelled = upload("k", { cancelled: true, state: "sent", taskId: 7 });
  const phases = (...tasks: ReturnType<typeof task>[]): string[] => list.of([cancelled], tasks).map(({ phase }) => phase);
  expect(list.of([upload("k", { cancelled: true })], []).map(({ phase }) => phase)).toEqual(["cancelled"]);
  expect(phases(task(7, { status: "pending" }))).toEqual(["cancelled"]);
  expect(phases(task(7, { status: "completed" }))).toEqual(["done"]);
});

test("a card shows the service's verdict unless the result is ready", () => {
  const size = { width: 1, height: 1, size_bytes: 1, fill: 1 };
  const result = { engine: "local", content_type: "image/png", ...size, warnings: [], findings: [], report: null, placement: null };
  const verdicts = (["ready", "needs_review", "failed"] as const).map((verdict) =>
    doubtOf(detail(1, { result: { ...result, confidence: 0.99, verdict, verdict_reasons: [] } })),
  );
  expect(verdicts).toEqual([null, "needs_review", "failed"]);
  expect([doubtOf(null), doubtOf(detail(1))]).toEqual([null, null]);
});
