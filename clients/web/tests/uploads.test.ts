import { ApiError, type SubmitOptions, type TaskDetail, type VersionOptions } from "@whitebg/client";
import { expect, test, vi } from "vitest";

import { DEFAULTS } from "../src/model/options";
import { Uploads } from "../src/model/uploads";
import { SignInNeeded } from "../src/session/session";
import { detail } from "./support";

/** A gateway that responds when, and as, a test chooses. */
class Gate {
  readonly sent: { name: string; key: string; batch: string | undefined; answer(result: number | Error): void }[] = [];
  readonly cancelled: number[] = [];
  cancelling: Error | null = null;

  submit = (photo: File, options: SubmitOptions): Promise<TaskDetail> =>
    new Promise((resolve, reject) => {
      const answer = (result: number | Error): void => (typeof result === "number" ? resolve(detail(result)) : reject(result));
      this.sent.push({ name: photo.name, key: options.idempotencyKey ?? "", batch: options.batchId, answer });
    });

  cancel = (taskId: number): Promise<TaskDetail> => {
    this.cancelled.push(taskId);
    return this.cancelling === null ? Promise.resolve(detail(taskId)) : Promise.reject(this.cancelling);
  };

  readonly versions: [taskId: number, preset: string | undefined, key: string | undefined][] = [];

  refusing: Error | null = null;

  createVersion = (taskId: number, { preset, idempotencyKey }: VersionOptions): Promise<TaskDetail> => {
    this.versions.push([taskId, preset, idempotencyKey]);
    const refusal = this.refusing;
    this.refusing = null;
    return refusal === null ? Promise.resolve(detail(100 + taskId)) : Promise.reject(refusal);
  };

  readonly closed: string[] = [];

  closeBatch = (batch: string): Promise<unknown> => {
    this.closed.push(batch);
    return Promise.resolve();
  };

  newest = (): number => 0;
}

const photos = (...names: string[]): File[] => names.map((name) => new File(["photo"], name));
const lost = new ApiError(0, "network", "no answer");

function begin(...names: string[]): { gate: Gate; uploads: Uploads; keys: string[] } {
  const gate = new Gate();
  const uploads = new Uploads(gate);
  uploads.add(photos(...names), DEFAULTS);
  return { gate, uploads, keys: uploads.read().map(({ key }) => key) };
}

test("photos that are added together have their order in the time, too", () => {
  const times = begin("a", "b", "c").uploads.read().map(({ addedAt }) => addedAt);
  expect(times).toEqual(times.toSorted((a, b) => a - b));
  expect(new Set(times).size).toBe(3);
});

test("three go at a time, in order", async () => {
  const { gate, uploads } = begin("a", "b", "c", "d", "e");
  expect(gate.sent.map(({ name }) => name)).toEqual(["a", "b", "c"]);
  gate.sent[0]?.answer(7);
  await vi.waitFor(() => expect(gate.sent.map(({ name }) => name)).toEqual(["a", "b", "c", "d"]));
  expect(uploads.read()[0]).toMatchObject({ state: "sent", taskId: 7 });
});

test("a photo for several markets is sent once, and made for the others from there", async () => {
  const gate = new Gate();
  const uploads = new Uploads(gate);
  uploads.add(photos("a"), { ...DEFAULTS, preset: "jd", also: ["amazon", "jd"] });
  const key = uploads.read()[0]?.key ?? "";
  gate.sent[0]?.answer(7);
  await vi.waitFor(() => expect(uploads.read()[0]).toMatchObject({ state: "sent", taskId: 7 }));
  expect(gate.sent).toHaveLength(1);
  expect(gate.versions).toEqual([[7, "amazon", `${key} amazon`]]);
});

test("one that was not sent yet is forgotten when it is cancelled", () => {
  const { gate, uploads, keys } = begin("a", "b", "c", "d");
  uploads.cancel(keys[3] ?? "");
  expect(uploads.read()).toHaveLength(3);
  expect(gate.sent).toHaveLength(3);
});

test("one that is cancelled while it is sent is cancelled at the server by its answer", async () => {
  const { gate, uploads, keys } = begin("a");
  uploads.cancel(keys[0] ?? "");
  expect(uploads.read()[0]).toMatchObject({ state: "sending", cancelled: true });
  gate.sent[0]?.answer(7);
  await vi.waitFor(() => expect(uploads.read()[0]).toMatchObject({ state: "sent", taskId: 7 }));
  expect(gate.cancelled).toEqual([7]);
});

test("one whose answer was lost is asked for with the same key until it is cancelled", async () => {
  const { gate, uploads, keys } = begin("a");
  uploads.cancel(keys[0] ?? "");
  gate.sent[0]?.answer(lost);
  await vi.waitFor(() => expect(uploads.read()[0]).toMatchObject({ state: "held", cancelled: true }));
  uploads.wake();
  gate.cancelling = lost;
  gate.sent[1]?.answer(7);
  await vi.waitFor(() => expect(uploads.read()[0]).toMatchObject({ state: "held", cancelled: true }));
  gate.cancelling = null;
  uploads.wake();
  gate.sent[2]?.answer(7);
  await vi.waitFor(() => expect(uploads.read()[0]).toMatchObject({ state: "sent", taskId: 7 }));
  expect(gate.sent.map(({ key }) => key)).toEqual(Array(3).fill(keys[0]));
  expect(gate.cancelled).toEqual([7, 7]);
});

test("one that the server refused has nothing to be cancelled", async () => {
  const { gate, uploads, keys } = begin("a");
  uploads.cancel(keys[0] ?? "");
  gate.sent[0]?.answer(new ApiError(429, "quota_exceeded", "too many"));
  await vi.waitFor(() => expect(uploads.read()).toEqual([]));
  expect(gate.cancelled).toEqual([]);
});

test("one that is wanted after all is made", async () => {
  const { gate, uploads, keys } = begin("a");
  uploads.cancel(keys[0] ?? "");
  uploads.again(keys[0] ?? "");
  gate.sent[0]?.answer(7);
  await vi.waitFor(() => expect(uploads.read()[0]).toMatchObject({ state: "sent", cancelled: false }));
  expect(gate.cancelled).toEqual([]);
});

test("an upload is held and repeated after a passing error, and fails after another", async () => {
  const { gate, uploads } = begin("a", "b", "c");
  gate.sent[0]?.answer(new ApiError(429, "quota_exceeded", "too many", [], 60_000));
  gate.sent[1]?.answer(new ApiError(415, "image_not_recognised", "no photo"));
  gate.sent[2]?.answer(new SignInNeeded(false));
  const states = (): unknown[] => uploads.read().map(({ state, problem, mayBeTaken }) => [state, problem, mayBeTaken]);
  const expected = [["held", "quota", false], ["failed", "not_an_image", false], ["held", "signed_out", false]];
  await vi.waitFor(() => expect(states()).toEqual(expected));
  uploads.wake();
  expect(gate.sent.map(({ name }) => name)).toEqual(["a", "b", "c", "a", "c"]);
});

test("a device clock that is set back holds nothing for longer", async () => {
  vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout", "performance"] });
  const { gate, uploads } = begin("a");
  gate.sent[0]?.answer(new ApiError(429, "quota_exceeded", "too many", [], 60_000));
  await vi.waitFor(() => expect(uploads.read()[0]?.state).toBe("held"));
  vi.setSystemTime(Date.now() - 24 * 60 * 60_000);
  uploads.add(photos("b"), DEFAULTS);
  vi.advanceTimersByTime(60_000);
  expect(gate.sent.map(({ name }) => name)).toEqual(["a", "a", "b"]);
  vi.useRealTimers();
});

test("when another user signs in, nothing is sent any more", async () => {
  const { gate, uploads } = begin("a", "b", "c", "d");
  uploads.clear();
  for (const sent of gate.sent) sent.answer(sent.name === "a" ? 7 : lost);
  uploads.wake();
  await new Promise((resolve) => setTimeout(resolve));
  expect([uploads.read(), gate.sent.length]).toEqual([[], 3]);
});

test("one that is over 25 MiB is not sent", () => {
  const gate = new Gate();
  const uploads = new Uploads(gate);
  uploads.add([new File([new Uint8Array(25 * 1024 * 1024 + 1)], "huge.jpg")], DEFAULTS);
  expect(uploads.read()[0]).toMatchObject({ state: "failed", problem: "image_too_large" });
  expect(gate.sent).toEqual([]);
});

test("a batch is closed once none of its photos is left to send, and not before", async () => {
  const { gate, uploads, keys } = begin("a", "b", "c");
  const [batch] = uploads.read().map((each) => each.batch);
  uploads.add(photos("single"), DEFAULTS);
  gate.sent[0]?.answer(7);
  gate.sent[1]?.answer(new ApiError(400, "not_an_image", "no photo"));
  await vi.waitFor(() => expect(uploads.read()[1]?.state).toBe("failed"));
  expect(gate.closed).toEqual([]);
  uploads.cancel(keys[2] ?? "");
  gate.sent[2]?.answer(9);
  await vi.waitFor(() => expect(gate.closed).toEqual([batch]));
  gate.sent[3]?.answer(10);
  await vi.waitFor(() => expect(uploads.read()[3]?.taskId).toBe(10));
  expect(gate.closed).toEqual([batch]);
});

test("photos of a batch that was closed meanwhile go on as a new batch", async () => {
  const { gate, uploads } = begin("a", "b", "c");
  const [first] = uploads.read().map((each) => each.batch);
  const closed = new ApiError(409, "batch_closed", "no more tasks can be added");
  gate.sent[0]?.answer(7);
  gate.sent[1]?.answer(closed);
  gate.sent[2]?.answer(closed);
  await vi.waitFor(() => expect(gate.sent).toHaveLength(5));
  const [second, third] = gate.sent.slice(3);
  expect(second?.batch).not.toBe(first);
  expect(third?.batch).toBe(second?.batch);
  expect([second?.key, third?.key]).toEqual([gate.sent[1]?.key, gate.sent[2]?.key]);
  second?.answer(8);
  third?.answer(9);
  await vi.waitFor(() => expect(uploads.read().every(({ state }) => state === "sent")).toBe(true));
  await vi.waitFor(() => expect(new Set(gate.closed)).toEqual(new Set([first, second?.batch])));
});

test("a photo that the server may have stays in its closed batch, with which its key was sent", async () => {
  const { gate, uploads } = begin("a", "b");
  const [first] = uploads.read().map((each) => each.batch);
  gate.sent[0]?.answer(lost);
  await vi.waitFor(() => expect(uploads.read()[0]?.state).toBe("held"));
  gate.sent[1]?.answer(new ApiError(409, "batch_closed", "no more tasks can be added"));
  uploads.wake();
  await vi.waitFor(() => expect(gate.sent).toHaveLength(4));
  const batches = new Map(gate.sent.slice(2).map(({ name, batch }) => [name, batch]));
  expect(batches.get("a")).toBe(first);
  expect(batches.get("b")).not.toBe(first);
});

test("a photo is not sent again where only its further pictures were refused in a closed batch", async () => {
  const gate = new Gate();
  const uploads = new Uploads(gate);
  uploads.add(photos("a", "b"), { ...DEFAULTS, preset: "amazon", also: ["jd"] });
  gate.refusing = new ApiError(409, "batch_closed", "no more tasks can be added");
  gate.sent[0]?.answer(7);
  await vi.waitFor(() => expect(uploads.read()[0]).toMatchObject({ state: "sent", taskId: 7 }));
  expect(gate.sent.map(({ name }) => name)).toEqual(["a", "b"]);
  expect(gate.versions.map(([taskId, preset]) => [taskId, preset])).toEqual([[7, "jd"], [7, "jd"]]);
});
