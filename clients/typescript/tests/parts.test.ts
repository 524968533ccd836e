import fc from "fast-check";
import { expect, test, vi } from "vitest";

import { backoff } from "../src/backoff.ts";
import { policyOf, retryAfterOf } from "../src/closing.ts";
import { nameOf } from "../src/files.ts";
import { Latency } from "../src/latency.ts";
import { parseFrame } from "../src/messages.ts";
import { Seen } from "../src/seen.ts";
import { ServerTime } from "../src/server-time.ts";
import { Subscriptions } from "../src/subscriptions.ts";
import { Timers } from "../src/timers.ts";
import { ManualClock } from "./support/clock.ts";
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

test("a close reason may name the time to wait", () => {
  const reasons = ["try again in 37 s", "shutting down; resume in 812 ms", "in 1.5 s", "20 connections are open", "in 5 sec", ""];
  expect(reasons.map(retryAfterOf)).toEqual([37_000, 812, 1_500, null, null, null]);
});

test("a delay that timers can't hold is cut, not fired at once", () => {
  const clock = new ManualClock();
  const set = vi.spyOn(clock, "setTimeout");
  new Timers<"late">(clock).set("late", 2 ** 40, () => undefined);
  expect(set.mock.lastCall?.[1]).toBe(2 ** 31 - 1);
});

test("server time follows the Date header and a monotonic clock, and ignores cached responses", () => {
  let elapsed = 0;
  const time = new ServerTime(() => elapsed);
  const at = (seconds: number): string => new Date(Date.UTC(2030, 0, 1) + seconds * 1_000).toUTCString();
  time.record(null);
  time.record("yesterday");
  expect(time.now()).toBeNull();
  time.record(at(0));
  elapsed = 5_000;
  expect(time.now()).toBe(Date.UTC(2030, 0, 1, 0, 0, 5));
  time.record(at(-3_600));
  expect(time.now()).toBe(Date.UTC(2030, 0, 1, 0, 0, 5));
  time.record(at(60));
  expect(time.now()).toBe(Date.UTC(2030, 0, 1, 0, 1));
});

test("a file is named as the server names it, without folders", () => {
  const header = (name: string): string => `attachment; filename="x"; filename*=UTF-8''${encodeURIComponent(name)}`;
  expect(["cup-white.jpeg", "杯 \"1\".png", "../../etc/cup.png", "C:\\cup.png"].map((name) => nameOf(header(name)))).toEqual([
    "cup-white.jpeg", "杯 \"1\".png", "cup.png", "cup.png",
  ]);
  expect([nameOf(null), nameOf("inline"), nameOf("attachment; filename*=UTF-8''%ff")]).toEqual([null, null, null]);
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
  subscriptions.tell({ task: { id: 1, data: data(), detail: null }, before: undefined });
  expect(second).toHaveBeenCalledOnce();
  expect(report).toHaveBeenCalledExactlyOnceWith(fault);
});
