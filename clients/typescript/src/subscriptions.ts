/** Who wants to hear of which task. */
import { hasEnded } from "./ordering.ts";
import type { Task } from "./tasks.ts";

export interface TaskHandlers {
  /** The task waits or gets on. */
  onUpdate?: (task: Task) => void;
  /** The task has its picture: `task.data.result_image_url`. Told once. */
  onComplete?: (task: Task) => void;
  /** The task ended without a picture: `task.data.error_code` says why. Told once. */
  onFailed?: (task: Task) => void;
}

/** Stands for all tasks. */
export const ALL_TASKS = 0;

export interface Subscription {
  readonly stop: () => void;
  /** Tell what is known already, unless news came first or it was stopped. */
  tellFirst(task: Task): void;
}

interface Follower {
  readonly handlers: TaskHandlers;
  told: boolean;
}

export class Subscriptions {
  readonly #byTask = new Map<number, Set<Follower>>();
  readonly #report: (error: unknown) => void;

  /** `report` hears of handlers that throw: one that does keeps no other from hearing. */
  constructor(report: (error: unknown) => void) {
    this.#report = report;
  }

  add(taskId: number, handlers: TaskHandlers): Subscription {
    const follower: Follower = { handlers, told: false };
    const group = this.#byTask.get(taskId) ?? new Set();
    this.#byTask.set(taskId, group.add(follower));
    return {
      stop: () => {
        group.delete(follower);
        if (group.size === 0 && this.#byTask.get(taskId) === group) this.#byTask.delete(taskId);
      },
      tellFirst: (task) => {
        if (group.has(follower) && !follower.told) this.#call(follower, task);
      },
    };
  }

  clear(): void {
    for (const group of this.#byTask.values()) group.clear();
    this.#byTask.clear();
  }

  /** Tell those who follow this task, and unless `quiet` also those who follow all. */
  tell(task: Task, quiet = false): void {
    const all = quiet ? [] : (this.#byTask.get(ALL_TASKS) ?? []);
    for (const follower of [...(this.#byTask.get(task.id) ?? []), ...all]) this.#call(follower, task);
  }

  #call(follower: Follower, task: Task): void {
    follower.told = true;
    const { onUpdate, onComplete, onFailed } = follower.handlers;
    try {
      if (!hasEnded(task.data)) onUpdate?.(task);
      else if (task.data.status === "completed") onComplete?.(task);
      else onFailed?.(task);
    } catch (error) {
      this.#report(error);
    }
  }
}
