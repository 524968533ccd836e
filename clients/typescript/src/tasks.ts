/** All tasks known to the client: updated by messages and HTTP responses, read by the application. */
import type { TaskDetail } from "./http.ts";
import type { TaskData, TaskMessage } from "./messages.ts";
import { compareNews, hasEnded, laterNews } from "./ordering.ts";
import type { Report } from "./report.ts";
import { Store } from "./store.ts";

export interface Task {
  readonly id: number;
  readonly data: TaskData;
  /** The full record; null until the task is fetched or submitted here. */
  readonly detail: TaskDetail | null;
}

export type TaskMap = ReadonlyMap<number, Task>;

/** Whether a task's detail is missing, or, for an ended task, from an earlier state (without pictures and report). */
export function lacksDetail({ data, detail }: Task): boolean {
  if (detail === null) return true;
  // Of an ended task, the elapsed time changes no more; a decision on its result changes only the data.
  return hasEnded(data) && (!hasEnded(detail) || detail.elapsed_time !== data.elapsed_time);
}

/** A later state of one task, or its deletion (`task.data.deleted`). */
export interface Change {
  task: Task;
  before: Task | undefined;
}

export class Tasks extends Store<TaskMap> {
  /** Tasks of the snapshot in progress; they replace all others when it is complete. */
  #snapshot: Map<number, Task> | null = null;
  /** Ids are never used again, so a message or response from before the deletion does not bring a task back. */
  readonly #deleted = new Set<number>();

  /** `report` receives the errors of listeners. */
  constructor(report: Report) {
    super(new Map(), report);
  }

  /** Apply a message; null if it is not later than the known state. */
  apply(message: TaskMessage): Change | null {
    return this.#merge([{ id: message.task_id, data: message.data, detail: null }])[0] ?? null;
  }

  /** Apply HTTP responses and notify watchers once. Returns the tasks whose state is later than the known one. */
  add(details: readonly TaskDetail[]): Change[] {
    return this.#merge(details.map((detail) => ({ id: detail.task_id, data: detail, detail })));
  }

  /** Remove deleted tasks and notify watchers once. */
  remove(ids: readonly number[]): void {
    const tasks = new Map(this.read());
    for (const id of ids) {
      this.#deleted.add(id);
      this.#snapshot?.delete(id);
      tasks.delete(id);
    }
    if (tasks.size < this.read().size) this.set(tasks);
  }

  clear(): void {
    this.#snapshot = null;
    this.#deleted.clear();
    this.set(new Map());
  }

  /** Start a snapshot, which replaces all tasks when it is complete. An earlier one that never ended is dropped. */
  beginSnapshot(): void {
    this.#snapshot = new Map();
  }

  endSnapshot(): void {
    if (this.#snapshot === null) return;
    const tasks = this.#snapshot;
    this.#snapshot = null;
    for (const [id, task] of tasks) {
      const known = this.read().get(id)?.detail ?? null;
      // Fetched details stay valid, unless the server was restored to an earlier state.
      if (task.detail === null && known !== null && compareNews(task.data, known) >= 0) tasks.set(id, { ...task, detail: known });
    }
    this.set(tasks);
  }

  /** Discard an incomplete snapshot; the tasks are unchanged. */
  dropSnapshot(): void {
    this.#snapshot = null;
  }

  #merge(news: readonly Task[]): Change[] {
    const before = this.read();
    let tasks: Map<number, Task> | null = null;
    const changes: Change[] = [];
    for (const each of news) {
      if (each.data.deleted === true) {
        this.#deleted.add(each.id);
        this.#snapshot?.delete(each.id);
        (tasks ??= new Map(before)).delete(each.id);
        changes.push({ task: each, before: before.get(each.id) });
        continue;
      }
      if (this.#deleted.has(each.id)) continue;
      const held = (this.#snapshot ?? tasks ?? before).get(each.id);
      const task = merged(held, each);
      if (task === held) continue;
      this.#snapshot?.set(each.id, task);
      // A response applies at once, even during a snapshot, which may never complete.
      if (this.#snapshot === null || each.detail !== null) tasks = (tasks ?? new Map(before)).set(each.id, task);
      const known = before.get(each.id);
      if (laterNews(known?.data, task.data) !== known?.data) changes.push({ task, before: known });
    }
    if (tasks !== null) this.set(tasks);
    return changes;
  }
}

function merged(held: Task | undefined, news: Task): Task {
  if (held === undefined) return news;
  const { data, detail } = held;
  // A response with the same state still brings links that are valid for longer.
  const fresh = news.detail !== null && compareNews(news.data, data) === 0;
  const later = fresh ? news.data : laterNews(data, news.data);
  const kept = news.detail === null || (detail !== null && compareNews(detail, news.detail) > 0) ? detail : news.detail;
  return later === data && kept === detail ? held : { id: held.id, data: later, detail: kept };
}
