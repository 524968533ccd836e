/** Handlers by task, and their dispatch. */
import { checkedId } from "./ids.ts";
import type { Batch } from "./messages.ts";
import { hasEnded } from "./ordering.ts";
import { isolated, type Report } from "./report.ts";
import type { Change, Task } from "./tasks.ts";

export interface TaskHandlers {
  /** The task waits or makes progress. */
  onUpdate?: (task: Task) => void;
  /** The task has its picture: `task.data.result_image_url`. Called once. */
  onComplete?: (task: Task) => void;
  /** The task ended without a picture; `task.data.error_code` is the reason. Called once. */
  onFailed?: (task: Task) => void;
  /** The owner accepted or rejected the result, or took that back: `task.data.review`. Called for each decision. */
  onReviewed?: (task: Task) => void;
  /** The task was deleted, here or elsewhere; it is no longer among the known tasks. Called once, and last. */
  onDeleted?: (task: Task) => void;
  /** A closed batch has ended. Only for `ALL_TASKS`; called once per batch. */
  onBatchFinished?: (batch: Batch) => void;
}

/** Subscribes to all tasks, in place of a task's id. */
export const ALL_TASKS = 0;

export interface Subscription {
  readonly stop: () => void;
  /** Pass the known state to the handlers, unless an update came first or the subscription was stopped. */
  tellFirst(task: Task): void;
}

interface Follower {
  readonly handlers: TaskHandlers;
  told: boolean;
  /** False once unsubscribed: it is not called any more, even by a dispatch in progress. */
  active: boolean;
}

export class Subscriptions {
  readonly #byTask = new Map<number, Set<Follower>>();
  readonly #report: Report;

  /** `report` receives the errors of handlers; one that throws does not affect the others. */
  constructor(report: Report) {
    this.#report = report;
  }

  /** Add handlers for one task or `ALL_TASKS`; a `TypeError` if the id is invalid. */
  add(taskId: number, handlers: TaskHandlers): Subscription {
    if (taskId !== ALL_TASKS) checkedId(taskId);
    const follower: Follower = { handlers, told: false, active: true };
    const group = this.#byTask.get(taskId) ?? new Set();
    this.#byTask.set(taskId, group.add(follower));
    return {
      stop: () => {
        follower.active = false;
        group.delete(follower);
        if (group.size === 0 && this.#byTask.get(taskId) === group) this.#byTask.delete(taskId);
      },
      tellFirst: (task) => {
        if (!follower.told) this.#call(follower, task);
      },
    };
  }

  clear(): void {
    for (const group of this.#byTask.values()) {
      for (const follower of group) follower.active = false;
    }
    this.#byTask.clear();
  }

  /** Call the handlers of this task, and unless `quiet` also those of all tasks. */
  tell({ task, before }: Change, quiet = false): void {
    const all = quiet ? [] : (this.#byTask.get(ALL_TASKS) ?? []);
    for (const follower of [...(this.#byTask.get(task.id) ?? []), ...all]) this.#call(follower, task, before);
  }

  /** Report the end of a batch to those who follow all tasks. */
  tellBatch(batch: Batch): void {
    for (const { active, handlers } of [...(this.#byTask.get(ALL_TASKS) ?? [])]) {
      if (active) isolated(() => handlers.onBatchFinished?.(batch), this.#report);
    }
  }

  #call(follower: Follower, task: Task, before?: Task): void {
    if (!follower.active) return;
    follower.told = true;
    const { handlers } = follower;
    isolated(() => {
      if (task.data.deleted === true) return handlers.onDeleted?.(task);
      if (!hasEnded(task.data)) return handlers.onUpdate?.(task);
      if (before !== undefined && hasEnded(before.data)) {
        return (before.data.review ?? "open") === (task.data.review ?? "open") ? undefined : handlers.onReviewed?.(task);
      }
      return task.data.status === "completed" ? handlers.onComplete?.(task) : handlers.onFailed?.(task);
    }, this.#report);
  }
}
