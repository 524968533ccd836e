import { Store, type Task } from "@whitebg/client";
import { beforeEach, expect, test } from "vitest";

import { PhotoList } from "../src/model/photos";
import { type Rejection, Rejections } from "../src/model/rejections";
import type { Upload } from "../src/model/uploads";
import { task, upload } from "./support";

const stored = new Map<string, string>();
const storage = {
  getItem: (name: string) => stored.get(name) ?? null,
  setItem: (name: string, value: string) => void stored.set(name, value),
  removeItem: (name: string) => void stored.delete(name),
} as Storage;

beforeEach(() => stored.clear());

/** Return a visit of the page, with a browser's storage that all visits share. */
function visit(user: string | null = "ann", ids: readonly number[] = []) {
  const uploads = new Store<readonly Upload[]>([]);
  const tasks = new Store<ReadonlyMap<number, Task>>(new Map(ids.map((id) => [id, task(id)])));
  const rejections = new Rejections(uploads, tasks, storage);
  uploads.watch(rejections.record);
  tasks.watch(rejections.settle);
  rejections.restore(user);
  return { uploads, tasks, rejections };
}

const failed = (key: string, change: Partial<Upload> = {}): Upload =>
  upload(key, { state: "failed", problem: "empty", mayBeTaken: false, ...change });
const keysOf = ({ rejections }: { rejections: Rejections }): string[] => rejections.read().map(({ key }) => key);

test("a rejected file is listed on the next visit, and not after it was dismissed", () => {
  const first = visit();
  first.uploads.set([failed("a", { after: 7 }), failed("b")]);
  expect(keysOf(first)).toEqual([]); // Its uploads have them.
  const second = visit();
  expect(second.rejections.read()[0]).toMatchObject({ key: "a", name: "cup.jpg", problem: "empty", after: 7 });
  second.rejections.remove("a");
  first.uploads.set([failed("a", { after: 7 }), failed("b"), upload("c")]); // Its own tab still lists it.
  expect(keysOf(visit())).toEqual(["b"]);
});

test("a file that is sent again is not listed as rejected", () => {
  const { uploads } = visit();
  uploads.set([failed("a", { problem: "internal" })]);
  uploads.set([upload("a")]);
  expect(keysOf(visit())).toEqual([]);
});

test("tabs add to the list without replacing each other's", () => {
  const [one, other] = [visit(), visit()];
  one.uploads.set([failed("a")]);
  other.uploads.set([failed("b")]);
  one.uploads.set([failed("a"), failed("c")]);
  expect(keysOf(visit())).toEqual(["a", "b", "c"]);
});

test("only the newest 200 are stored", () => {
  visit().uploads.set(Array.from({ length: 210 }, (_, at) => failed(String(at))));
  expect(keysOf(visit())).toHaveLength(200);
  expect(keysOf(visit()).at(-1)).toBe("209");
});

test("another user sees none of them, a user without a name stores none, and signing out removes them", () => {
  const ann = visit();
  ann.uploads.set([failed("a")]);
  expect(keysOf(visit("ben"))).toEqual([]);
  expect(keysOf(visit())).toEqual(["a"]);
  ann.rejections.clear();
  ann.uploads.set([]);
  expect([keysOf(visit()), stored.size]).toEqual([[], 0]);
  visit(null).uploads.set([failed("a")]);
  expect(stored.size).toBe(0);
});

test("photos that are not sent when the page is left are listed, until a later task of that name is known", () => {
  const first = visit("ann", [5]);
  const waiting = { state: "waiting", mayBeTaken: false } as const;
  first.uploads.set([
    upload("sending", { after: 5 }),
    upload("waiting", { ...waiting, file: new File([], "hat.jpg") }),
    upload("cancelled", { cancelled: true }),
    upload("sent", { state: "sent", taskId: 6 }),
  ]);
  first.rejections.recordUnsent();
  const second = visit("ann", [5]);
  expect(second.rejections.read().map(({ key, problem, after }) => [key, problem, after])).toEqual([
    ["sending", "unsent", 5],
    ["waiting", "unsent", 5],
  ]);
  second.tasks.set(new Map([5, 7].map((id) => [id, task(id)])));
  expect(keysOf(second)).toEqual(["waiting"]);
  expect(keysOf(visit())).toEqual(["waiting"]);
});

test("a page that the browser shows again, with its uploads, withdraws what it stored when it was left", () => {
  const { uploads, rejections } = visit();
  uploads.set([upload("a")]);
  rejections.recordUnsent();
  rejections.record();
  expect(keysOf(visit())).toEqual([]);
});

test("text of another form in the storage is ignored", () => {
  for (const text of ["{", "7", "null", '{"user": "ann"}', '{"user": 7, "rejections": []}']) {
    stored.set("whitebg.rejections", text);
    expect(keysOf(visit())).toEqual([]);
  }
});

test("a file that failed is listed where its task would be, on this visit and on later ones", () => {
  const [rejected] = ["x"].map<Rejection>((key) => {
    return { key, name: "a.pdf", problem: "not_an_image", market: "jd", batch: null, addedAt: 5, after: 6 };
  });
  if (rejected === undefined) throw new Error("there is one");
  const tasks = [9, 7, 6, 5].map((id) => task(id));
  const keys = (uploads: Upload[], rejections: Rejection[]): string[] =>
    new PhotoList().of(uploads, tasks, new Map(), rejections).map(({ key }) => key);
  expect(keys([], [rejected])).toEqual(["9", "7", "x", "6", "5"]);
  expect(keys([upload("sending", { mayBeTaken: false }), failed("x", { after: 6 })], [])).toEqual(["sending", "9", "7", "x", "6", "5"]);
  expect(keys([failed("x", { after: 0 })], [])).toEqual(["9", "7", "6", "5", "x"]);
  expect(keys([failed("x", { after: 9 }), failed("y", { after: 9 })], [])).toEqual(["y", "x", "9", "7", "6", "5"]);
  // Those that were added together may fail in another order.
  const together = ["a", "b", "c"].map((key, at): Rejection => ({ ...rejected, key, after: 9, addedAt: 5 + at / 1000 }));
  expect(keys([], together.toReversed())).toEqual(["c", "b", "a", "9", "7", "6", "5"]);
  const [photo] = new PhotoList().of([], [], new Map(), [rejected]);
  expect(photo).toMatchObject({ name: "a.pdf", phase: "failed", problem: "not_an_image", before: null, market: "jd" });
});
