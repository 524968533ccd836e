/** What a person does with photos: each action on uploads and tasks, for one photo or several. */
import { uuid, type VersionOptions } from "@whitebg/client";

import { handMade, type Position } from "../position/fit";
import { forEach, patiently } from "./batch";
import type { Decision } from "./decisions";
import { formOf, formOfTask, type Options, positionOf } from "./options";
import type { Photo } from "./photos";
import { Removals } from "./removals";
import type { World } from "./world";

export class Work {
  /** Photos that are being deleted. */
  readonly removals: Removals;

  constructor(private readonly world: World) {
    this.removals = new Removals((taskIds) => world.client.delete(taskIds, { keepalive: true }), this.#report);
  }

  cancel(photos: readonly Photo[]): void {
    this.#act(photos, ({ taskId, key }) => {
      if (taskId !== null) return this.world.cancel(taskId);
      this.world.uploads.cancel(key);
      return Promise.resolve();
    });
  }

  retry(photos: readonly Photo[]): void {
    this.#act(photos, ({ taskId, key }) => {
      if (taskId !== null) return this.world.client.retry(taskId);
      this.world.uploads.again(key);
      return Promise.resolve();
    });
  }

  /** Record a decision on results, or revoke it (null). */
  decide(photos: readonly Photo[], decision: Decision | null): void {
    const done = photos.flatMap(({ taskId, phase }) => (taskId === null || phase !== "done" ? [] : [taskId]));
    this.world.decisions.decide(done, decision ?? "open");
  }

  /** Delete photos with their earlier versions; tasks can be restored for some seconds. */
  remove(photos: readonly Photo[], earlier: ReadonlyMap<string, readonly Photo[]>): void {
    for (const { key, taskId } of photos) if (taskId === null) this.#dismiss(key);
    const replaced = photos.flatMap(({ key }) => earlier.get(key) ?? []);
    this.removals.add([...photos, ...replaced].flatMap(({ taskId }) => (taskId === null ? [] : [taskId])));
  }

  /** Make each photo again for each output, at the position that was set by hand. */
  reprocess(photos: readonly Photo[], outputs: readonly Options[]): void {
    const jobs = photos.flatMap(({ taskId, detail }) =>
      taskId === null ? [] : outputs.map((each) => ({ taskId, detail, form: { ...formOf(each), idempotencyKey: uuid() } })),
    );
    this.#act(jobs, async ({ taskId, detail, form }) => {
      const made = detail ?? (await this.world.client.refresh(taskId));
      return this.world.client.createVersion(taskId, { ...form, ...handMade(positionOf(made)) });
    });
  }

  /** Make a version with a corrected mask; rejects on failure. */
  async correct({ taskId, detail }: Photo, mask: Blob): Promise<void> {
    if (taskId === null || detail === null) return;
    await this.#revise(taskId, { ...formOfTask(detail), mask });
  }

  /** Make a version whose product is elsewhere in the frame; rejects on failure. */
  async reposition({ taskId, detail }: Photo, position: Position): Promise<void> {
    if (taskId === null || detail === null) return;
    await this.#revise(taskId, { ...formOfTask(detail, { keepsCutOut: true }), ...position });
  }

  /** Read a task again, because its links have expired. */
  refresh({ taskId }: Photo): void {
    if (taskId !== null) this.world.client.refresh(taskId).catch(this.#report);
  }

  /** Make a version, once; sent again while the service is unavailable for a moment. The picture is undecided then. */
  async #revise(taskId: number, form: VersionOptions): Promise<void> {
    const idempotencyKey = uuid();
    await patiently(() => this.world.client.createVersion(taskId, { ...form, idempotencyKey }));
    this.world.decisions.decide([taskId], "open");
  }

  #dismiss(key: string): void {
    this.world.uploads.remove(key);
    this.world.rejections.remove(key);
  }

  #act<T>(items: readonly T[], act: (item: T) => Promise<unknown>): void {
    forEach(items, act).catch(this.#report);
  }

  readonly #report = (error: unknown): void => this.world.trouble.set(error);
}
