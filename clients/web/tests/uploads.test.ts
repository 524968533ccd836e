import { ApiError, type SubmitOptions, type TaskDetail } from "@whitebg/client";
import { expect, test, vi } from "vitest";

import { DEFAULTS } from "../src/model/options";
import { Uploads } from "../src/model/uploads";
import { SignInNeeded } from "../src/session/session";
import { detail } from "./support";

/** A gateway that answers when, and as, a test says. */
class Gate {
  readonly sent: { name: string; key: string; answer(result: number | Error): void }[] = [];
  readonly cancelled: number[] = [];
  cancelling: Error | null = null;

  submit = (photo: File, options: SubmitOptions): Promise<TaskDetail> =>
    new Promise((resolve, reject) => {
      const answer = (result: number | Error): void => (typeof result === "number" ? resolve(detail(result)) : reject(result));
      this.sent.push({ name: photo.name, key: options.idempotencyKey ?? "", answer });
    });

  cancel = (taskId: number): Promise<TaskDetail> => {
    this.cancelled.push(taskId);
    return this.cancelling === null ? Promise.resolve(detail(taskId)) : Promise.reject(this.cancelling);
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

test("three go at a time, in order", async () => {
  const { gate, uploads } = begin("a", "b", "c", "d", "e");
  expect(gate.sent.map(({ name }) => name)).toEqual(["a", "b", "c"]);
  gate.sent[0]?.answer(7);
  await vi.waitFor(() => expect(gate.sent.map(({ name }) => name)).toEqual(["a", "b", "c", "d"]));
  expect(uploads.read()[0]).toMatchObject({ state: "sent", taskId: 7 });
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

test("what passes is held and sent again by itself, and what does not fails", async () => {
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

test("one that is over 25 MiB is not sent", () => {
  const gate = new Gate();
  const uploads = new Uploads(gate);
  uploads.add([new File([new Uint8Array(25 * 1024 * 1024 + 1)], "huge.jpg")], DEFAULTS);
  expect(uploads.read()[0]).toMatchObject({ state: "failed", problem: "image_too_large" });
  expect(gate.sent).toEqual([]);
});
