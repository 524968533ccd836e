import { ApiError, Store, type Task, type TaskDetail, type TaskMap } from "@whitebg/client";
import { expect, test, vi } from "vitest";

import { Decisions, sendStored } from "../src/model/decisions";
import { PhotoList } from "../src/model/photos";
import { Removals, UNDO_MS } from "../src/model/removals";
import { Selection } from "../src/model/selection";
import { countStatuses, matching, NO_FILTER } from "../src/model/status";
import { arrange } from "../src/model/versions";
import { data, detail, task } from "./support";

type State = "pending" | "completed" | "failed" | "cancelled";

/** Return a task made from another one, or from an upload. */
function made(id: number, state: State, source: number | null = null, preset = "custom"): Task {
  const failure = state === "cancelled" ? { status: "failed", error_code: "cancelled" } : { status: state };
  const update = data({ ...failure, filename: `${id}.jpg` } as Partial<Task["data"]>);
  const full = { ...detail(id, { source_task_id: source }), ...(update as Partial<TaskDetail>) };
  return { id, data: update, detail: { ...full, options: { ...full.options, preset } } };
}

const photosOf = (...tasks: Task[]): ReturnType<PhotoList["of"]> => new PhotoList().of([], tasks);
const shown = (...tasks: Task[]): (number | null)[] => arrange(photosOf(...tasks)).shown.map(({ taskId }) => taskId);

test("a retry replaces the attempt that failed or was cancelled, at its position", () => {
  expect(shown(made(3, "pending", 1), made(2, "completed"), made(1, "cancelled"))).toEqual([2, 3]);
  expect(shown(made(3, "failed", 1), made(2, "completed"), made(1, "failed"))).toEqual([2, 3]);
});

test("a corrected result replaces the earlier one when it is there, and keeps it", () => {
  const working = [made(3, "pending", 1), made(2, "completed"), made(1, "completed")];
  expect(shown(...working)).toEqual([2, 3, 1]);
  const done = arrange(photosOf(made(4, "completed", 3), made(3, "completed", 1), made(2, "completed"), made(1, "completed")));
  expect(done.shown.map(({ taskId }) => taskId)).toEqual([2, 4]);
  expect(done.earlier.get("4")?.map(({ taskId }) => taskId)).toEqual([3, 1]);
});

test("outputs for several markets are beside each other, and replace none", () => {
  expect(shown(made(4, "completed", 1, "taobao"), made(3, "completed", 1, "amazon"), made(2, "completed"), made(1, "completed"))).toEqual([
    2, 4, 3, 1,
  ]);
});

test("a version of a photo that is not loaded stands alone", () => {
  expect(shown(made(9, "completed", 2), made(8, "completed"))).toEqual([9, 8]);
});

test("photos are counted and filtered by state, market and name", () => {
  const tasks = [made(4, "completed", null, "amazon"), made(3, "pending"), made(2, "failed"), made(1, "completed")];
  const photos = new PhotoList().of([], tasks, new Map([[1, "accepted"]]));
  expect(countStatuses(photos)).toMatchObject({ active: 1, failed: 1, ready: 1, accepted: 1, review: 0 });
  const ids = (filter: Partial<typeof NO_FILTER>): (number | null)[] =>
    matching(photos, { ...NO_FILTER, ...filter }).map(({ taskId }) => taskId);
  expect(ids({ status: "accepted" })).toEqual([1]);
  expect(ids({ market: "amazon" })).toEqual([4]);
  expect(ids({ name: " 2.JPG" })).toEqual([2]);
  expect(ids({ name: "jpg", market: "custom" })).toEqual([3, 2, 1]);
});

test("a decision is shown at once and dropped when the task has it", async () => {
  const tasks = new Store<TaskMap>(new Map([[1, made(1, "completed")]]));
  const answers: (() => void)[] = [];
  const sent: [readonly number[], string][] = [];
  const decisions = new Decisions(
    (ids, review) => {
      sent.push([ids, review]);
      return new Promise<void>((resolve) => answers.push(resolve));
    },
    tasks,
    (error) => expect.unreachable(String(error)),
  );
  decisions.decide([1], "accepted");
  const [photo] = new PhotoList().of([], [...tasks.read().values()], decisions.read());
  expect(photo?.decision).toBe("accepted");
  answers[0]?.();
  await new Promise((resolve) => setTimeout(resolve));
  expect(sent).toEqual([[[1], "accepted"]]);
  decisions.settle();
  expect([...decisions.read()]).toEqual([[1, "accepted"]]); // The message is still on its way.
  tasks.set(new Map([[1, task(1, { status: "completed", review: "accepted" })]]));
  decisions.settle();
  expect(decisions.read().size).toBe(0);
  expect(photosOf(task(1, { status: "completed", review: "accepted" }))[0]?.decision).toBe("accepted");
});

test("decisions are sent in order, the latest of each task, and repeated while the service is unavailable", async () => {
  vi.useFakeTimers();
  const tasks = new Store<TaskMap>(new Map());
  const sent: string[] = [];
  let isDown = true;
  const decisions = new Decisions(
    (ids, review) => {
      sent.push(`${review} ${ids.join()}`);
      return isDown ? Promise.reject(new ApiError(503, "unavailable", "away")) : Promise.resolve();
    },
    tasks,
    (error) => expect.unreachable(String(error)),
  );
  decisions.decide([1, 2], "accepted");
  decisions.decide([2], "rejected");
  decisions.decide([3], "accepted");
  await vi.advanceTimersByTimeAsync(60_000);
  expect(new Set(sent)).toEqual(new Set(["accepted 1,2"]));
  isDown = false;
  sent.length = 0;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(sent).toEqual(["accepted 1,2", "rejected 2", "accepted 3"]);
  expect(decisions.read().size).toBe(0);
  vi.useRealTimers();
});

test("a decision that the service rejects is taken back and reported", async () => {
  const failure = new ApiError(422, "invalid_request", "no");
  const failures: unknown[] = [];
  const tasks = new Store<TaskMap>(new Map([[1, made(1, "completed")]]));
  const decisions = new Decisions(() => Promise.reject(failure), tasks, (error) => failures.push(error));
  decisions.decide([1], "accepted");
  await vi.waitFor(() => expect(failures).toEqual([failure]));
  expect(decisions.read().size).toBe(0);
});

test("decisions of earlier versions of the page are sent once, without invalid ones, and removed then", async () => {
  const stored = new Map<string, string>();
  const storage = {
    getItem: (name: string) => stored.get(name) ?? null,
    removeItem: (name: string) => void stored.delete(name),
  } as Storage;
  const sent: [readonly number[], string][] = [];
  const send = (ids: readonly number[], review: string): Promise<void> => {
    sent.push([ids, review]);
    return Promise.resolve();
  };
  stored.set("whitebg.decisions", '[[1, "accepted"], [2, "perhaps"], null, ["3", "accepted"], [0, "accepted"], [4, "rejected"]]');
  await expect(sendStored(storage, () => Promise.reject(new Error("down")))).rejects.toThrow("down");
  expect(stored.size).toBe(1);
  await sendStored(storage, send);
  await sendStored(storage, send);
  expect(sent).toEqual([
    [[1], "accepted"],
    [[4], "rejected"],
  ]);
  stored.set("whitebg.decisions", "{");
  await sendStored(storage, send);
  expect([sent.length, stored.size]).toEqual([2, 0]);
});

test("a deletion hides its photos at once, is carried out after a pause, and can be undone until then", async () => {
  vi.useFakeTimers();
  const deleted: number[][] = [];
  const failures: unknown[] = [];
  let failure: Error | null = null;
  const removals = new Removals(
    (ids) => {
      deleted.push([...ids]);
      return failure === null ? Promise.resolve() : Promise.reject(failure);
    },
    (error) => failures.push(error),
  );
  removals.add([1, 2]);
  removals.add([3]);
  expect(removals.undoable).toBe(1);
  removals.undo();
  expect(removals.read().map(({ taskIds }) => [...taskIds])).toEqual([[1, 2]]);
  await vi.advanceTimersByTimeAsync(UNDO_MS);
  expect(deleted).toEqual([[1, 2]]);
  expect([removals.read().length, removals.undoable]).toEqual([0, 0]);

  failure = new Error("no");
  removals.add([4]);
  await vi.advanceTimersByTimeAsync(UNDO_MS);
  expect([removals.read().length, failures]).toEqual([0, [failure]]);
  vi.useRealTimers();
});

test("a page that is left carries out its deletions at once, each once", async () => {
  vi.useFakeTimers();
  const deleted: number[][] = [];
  const removals = new Removals((ids) => Promise.resolve(deleted.push([...ids])), (error) => expect.unreachable(String(error)));
  removals.add([1, 2]);
  removals.add([3]);
  removals.add([4]);
  removals.undo();
  removals.finish();
  expect(deleted).toEqual([[1, 2], [3]]); // Within the event: nothing runs after it.
  await vi.advanceTimersByTimeAsync(2 * UNDO_MS);
  expect(deleted).toEqual([[1, 2], [3]]);
  expect([removals.read().length, removals.undoable]).toEqual([0, 0]);
  vi.useRealTimers();
});

test("a range goes from the last selected photo, in either direction", () => {
  const selection = new Selection();
  const order = ["a", "b", "c", "d"];
  selection.extend("b", order);
  selection.extend("d", order);
  expect([...selection.read()]).toEqual(["b", "c", "d"]);
  selection.toggle("c");
  selection.extend("a", order);
  expect([...selection.read()].sort()).toEqual(["a", "b", "c", "d"]);
  selection.clear();
  expect(selection.read().size).toBe(0);
});
