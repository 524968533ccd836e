/** Photos that are being deleted: hidden at once, deleted after some seconds, in which this can be undone, or when the page is left. */
import { Store } from "@whitebg/client";

import { forEach } from "./batch";

export const UNDO_MS = 10_000;
/** Limit of one call. */
const AT_ONCE = 500;

export interface Removal {
  readonly taskIds: ReadonlySet<number>;
}

export class Removals extends Store<readonly Removal[]> {
  readonly #timers = new Map<Removal, ReturnType<typeof setTimeout>>();

  /** `remove` deletes tasks; `onFailure` receives its error, and the photos are shown again. */
  constructor(
    private readonly remove: (taskIds: readonly number[]) => Promise<unknown>,
    private readonly onFailure: (error: unknown) => void,
  ) {
    super([]);
  }

  /** Hide tasks, and delete them once the time to undo has passed. */
  add(taskIds: readonly number[]): void {
    if (taskIds.length === 0) return;
    const removal = { taskIds: new Set(taskIds) };
    this.set([...this.read(), removal]);
    this.#timers.set(removal, setTimeout(() => void this.#carryOut(removal), UNDO_MS));
  }

  /** Undo the latest deletion that is still pending. */
  undo(): void {
    const last = this.read().findLast((removal) => this.#timers.has(removal));
    if (last === undefined) return;
    clearTimeout(this.#timers.get(last));
    this.#timers.delete(last);
    this.#drop(last);
  }

  /** Carry out all pending deletions now, because the page is being left. */
  readonly finish = (): void => {
    for (const [removal, timer] of this.#timers) {
      clearTimeout(timer);
      void this.#carryOut(removal);
    }
  };

  /** Number of tasks whose deletion `undo` revokes; 0 if there is none. */
  get undoable(): number {
    return this.read().findLast((removal) => this.#timers.has(removal))?.taskIds.size ?? 0;
  }

  async #carryOut(removal: Removal): Promise<void> {
    this.#timers.delete(removal);
    this.set([...this.read()]); // Not undoable from now on.
    const ids = [...removal.taskIds];
    const parts = Array.from({ length: Math.ceil(ids.length / AT_ONCE) }, (_, at) => ids.slice(at * AT_ONCE, (at + 1) * AT_ONCE));
    try {
      await forEach(parts, this.remove);
    } catch (error) {
      this.onFailure(error);
    }
    this.#drop(removal);
  }

  #drop(removal: Removal): void {
    this.set(this.read().filter((each) => each !== removal));
  }
}
