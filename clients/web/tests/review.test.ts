import type { Task, TaskDetail } from "@whitebg/client";
import { expect, test, vi } from "vitest";

import { Decisions } from "../src/model/decisions";
import { PhotoList } from "../src/model/photos";
import { Removals, UNDO_MS } from "../src/model/removals";
import { Selection } from "../src/model/selection";
import { countStatuses, matching, NO_FILTER } from "../src/model/status";
import { arrange } from "../src/model/versions";
import { data, detail } from "./support";

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
  const photos = photosOf(made(4, "completed", null, "amazon"), made(3, "pending"), made(2, "failed"), made(1, "completed"));
  const decisions = new Map([[1, "accepted"] as const]);
  expect(countStatuses(photos, decisions)).toMatchObject({ active: 1, failed: 1, ready: 1, accepted: 1, review: 0 });
  const ids = (filter: Partial<typeof NO_FILTER>): (number | null)[] =>
    matching(photos, { ...NO_FILTER, ...filter }, decisions).map(({ taskId }) => taskId);
  expect(ids({ status: "accepted" })).toEqual([1]);
  expect(ids({ market: "amazon" })).toEqual([4]);
  expect(ids({ name: " 2.JPG" })).toEqual([2]);
  expect(ids({ name: "jpg", market: "custom" })).toEqual([3, 2, 1]);
});

test("decisions are stored, revoked, and read again without invalid ones", () => {
  const stored = new Map<string, string>();
  const storage = {
    getItem: (name: string) => stored.get(name) ?? null,
    setItem: (name: string, value: string) => void stored.set(name, value),
  } as Storage;
  const decisions = new Decisions(storage);
  decisions.decide([1, 2, 3], "accepted");
  decisions.decide([2], "rejected");
  decisions.decide([3], null);
  expect([...new Decisions(storage).read()]).toEqual([
    [1, "accepted"],
    [2, "rejected"],
  ]);
  stored.set("whitebg.decisions", '[[1, "perhaps"], null, ["2", "accepted"], [4, "rejected"]]');
  expect([...new Decisions(storage).read()]).toEqual([[4, "rejected"]]);
  stored.set("whitebg.decisions", "{");
  expect(new Decisions(storage).read().size).toBe(0);
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
