/** All tasks that the client knows of: fed by messages and answers, read by whoever shows them. */
import type { TaskDetail } from "./http.ts";
import type { TaskData, TaskMessage } from "./messages.ts";
import { laterNews } from "./ordering.ts";
import { Store } from "./store.ts";

export interface Task {
  readonly id: number;
  readonly data: TaskData;
  /** All that is known of it; null until it was fetched or submitted here. */
  readonly detail: TaskDetail | null;
}

export type TaskMap = ReadonlyMap<number, Task>;

/** A later state of one task. */
export interface Change {
  task: Task;
  before: Task | undefined;
}

export class Tasks extends Store<TaskMap> {
  /** The tasks of a snapshot that is under way: they take the place of all others when it is whole. */
  #snapshot: Map<number, Task> | null = null;

  constructor() {
    super(new Map());
  }

  /** Take in a message; null if it says nothing later than what is known. */
  apply(message: TaskMessage): Change | null {
    return this.#merge(message.task_id, message.data, null);
  }

  /** Take in what an answer of the HTTP API says. */
  add(detail: TaskDetail): Change | null {
    return this.#merge(detail.task_id, detail, detail);
  }

  /** What is held becomes void when the snapshot is whole. One that was begun before and never ended is dropped. */
  beginSnapshot(): void {
    this.#snapshot = new Map();
  }

  endSnapshot(): void {
    if (this.#snapshot === null) return;
    const tasks = this.#snapshot;
    this.#snapshot = null;
    this.set(tasks);
  }

  /** A snapshot that broke off changes nothing. */
  dropSnapshot(): void {
    this.#snapshot = null;
  }

  #merge(id: number, data: TaskData, detail: TaskDetail | null): Change | null {
    const before = this.read().get(id);
    const held = this.#snapshot === null ? before : this.#snapshot.get(id);
    const task = merged(held, id, data, detail);
    if (task === held) return null;
    this.#snapshot?.set(id, task);
    // An answer counts at once, even where a snapshot is under way that may never be whole.
    if (this.#snapshot === null || detail !== null) this.set(new Map(this.read()).set(id, task));
    return laterNews(before?.data, task.data) === before?.data ? null : { task, before };
  }
}

function merged(held: Task | undefined, id: number, data: TaskData, detail: TaskDetail | null): Task {
  const later = laterNews(held?.data, data);
  const known = held?.detail ?? null;
  const kept = detail === null || (known !== null && laterNews(known, detail) === known) ? known : detail;
  if (later === held?.data && kept === held.detail) return held;
  return { id, data: later, detail: kept };
}

