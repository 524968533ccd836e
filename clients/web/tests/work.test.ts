import type { TaskDetail } from "@whitebg/client";
import { expect, test, vi } from "vitest";

import { DEFAULTS } from "../src/model/options";
import { type Photo, PhotoList } from "../src/model/photos";
import { Work } from "../src/model/work";
import type { World } from "../src/model/world";
import { detail, task } from "./support";

/** Return the actions on photos, and the forms of the versions that they request. */
function workOn(stored: TaskDetail): { work: Work; forms: Map<number, object[]>; reads: number[] } {
  const forms = new Map<number, object[]>();
  const reads: number[] = [];
  const client = {
    refresh(taskId: number) {
      reads.push(taskId);
      return Promise.resolve(stored);
    },
    createVersion(taskId: number, { idempotencyKey, ...form }: { idempotencyKey: string }) {
      expect(idempotencyKey).not.toBe("");
      forms.set(taskId, [...(forms.get(taskId) ?? []), form]);
      return Promise.resolve();
    },
  };
  const trouble = { set: (error: unknown) => expect.unreachable(String(error)) };
  return { work: new Work({ client, trouble } as unknown as World), forms, reads };
}

const photoOf = (id: number, full: TaskDetail | null): Photo => {
  const [photo] = new PhotoList().of([], [{ ...task(id, { status: "completed" }), detail: full }]);
  if (photo === undefined) throw new Error("no photo");
  return photo;
};

test("other options keep a position that was set by hand, of photos whose options are not known yet too", async () => {
  const { options } = detail(1);
  const crop = { left: 0.1, top: 0, right: 0.9, bottom: 1 };
  const turned = detail(1, { options: { ...options, rotation: 12, crop } });
  const moved = detail(2, { options: { ...options, move_x: 0.1, move_y: -0.2, scale: 1.5 } });
  const { work, forms, reads } = workOn(moved);
  const jd = { ...DEFAULTS, preset: "jd" } as const;
  work.reprocess([photoOf(1, turned), photoOf(2, null), photoOf(3, detail(3))], [jd]);
  await vi.waitFor(() => expect(forms.size).toBe(3));
  const form = { preset: "jd", engine: "auto", shadow: "none" };
  expect(forms.get(1)).toEqual([{ ...form, rotation: 12, crop }]);
  expect(forms.get(2)).toEqual([{ ...form, move_x: 0.1, move_y: -0.2, scale: 1.5 }]);
  expect(forms.get(3)).toEqual([form]);
  expect(reads).toEqual([2]);
});
