import fc from "fast-check";
import { expect, test, vi } from "vitest";

import { backoff } from "../src/backoff.ts";
import { policyOf } from "../src/closing.ts";
import { Latency } from "../src/latency.ts";
import { parseFrame } from "../src/messages.ts";
import { Seen } from "../src/seen.ts";
import { Subscriptions } from "../src/subscriptions.ts";
import { data, message } from "./support/gateway.ts";

test("a delay is anything up to a limit that doubles from 1 s to 30 s", () => {
  const almostOne = (): number => 0.999_999;
  expect([1, 2, 3, 4, 5, 6, 60].map((failures) => Math.ceil(backoff(failures, almostOne)))).toEqual([
    1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000,
  ]);
  expect(backoff(5, () => 0)).toBe(0);
});

test("the range of a close code is its policy; an expired token is renewed at once", () => {
  expect([4001, 4003, 4004, 4099].map(policyOf)).toEqual(Array(4).fill("stop"));
  expect([1006, 4101, 4103, 4199].map(policyOf)).toEqual(Array(4).fill("back-off"));
  expect([4010, 4200, 4299].map(policyOf)).toEqual(Array(3).fill("soon"));
});

test("an id is new once, and memory of ids is bounded", () => {
  const seen = new Seen(2);
  expect(["a", "a", "b", "c", "b", "a"].map((id) => seen.add(id))).toEqual([true, false, true, true, false, true]);
});

test("latency figures are those of the window", () => {
  const latency = new Latency(4);
  expect(latency.figures()).toEqual({ count: 0, last: null, median: null, p95: null });
  for (const late of [1_000, 40, 10, 30, 20]) latency.add("2026-01-08T10:00:00.000Z", Date.UTC(2026, 0, 8, 10) + late);
  expect(latency.figures()).toEqual({ count: 4, last: 20, median: 20, p95: 40 });
  expect(latency.add("no time", 0)).toBeNull();
});

test("frames of another shape do not get in, whatever they are", () => {
  expect(parseFrame(JSON.stringify(message(1, "e:1")))).toEqual(message(1, "e:1"));
  expect(parseFrame(JSON.stringify({ ...message(1, "e:1"), task_id: "1" }))).toBeNull();
  expect(parseFrame(new ArrayBuffer(2))).toBeNull();
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => parseFrame(text) === null));
});

test("a handler that throws keeps no other from hearing", () => {
  const report = vi.fn();
  const second = vi.fn();
  const subscriptions = new Subscriptions(report);
  const fault = new Error("of the application");
  subscriptions.add(0, {
    onUpdate: () => {
      throw fault;
    },
  });
  subscriptions.add(0, { onUpdate: second });
  subscriptions.tell({ id: 1, data: data(), detail: null });
  expect(second).toHaveBeenCalledOnce();
  expect(report).toHaveBeenCalledExactlyOnceWith(fault);
});
