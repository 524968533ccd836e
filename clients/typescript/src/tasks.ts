/** All tasks that the client knows of: fed by messages and answers, read by whoever shows them. */
import type { TaskDetail } from "./http.ts";
import type { TaskData, TaskMessage } from "./messages.ts";
import { compareNews, hasEnded, laterNews } from "./ordering.ts";
import { Store } from "./store.ts";

export interface Task {
  readonly id: number;
  readonly data: TaskData;
  /** All that is known of it; null until it was fetched or submitted here. */
  readonly detail: TaskDetail | null;
}

export type TaskMap = ReadonlyMap<number, Task>;

/** Whether the detail of a task tells less than there is: its options, or once it has ended its pictures and report. */
export function lacksDetail({ data, detail }: Task): boolean {
  return detail === null || (hasEnded(data) && detail.updated_at !== data.updated_at);
}

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
    return this.#merge([{ id: message.task_id, data: message.data, detail: null }])[0] ?? null;
  }

  /** Take in what answers of the HTTP API say; whoever watches is told once. Returns what is later than was known. */
  add(details: readonly TaskDetail[]): Change[] {
    return this.#merge(details.map((detail) => ({ id: detail.task_id, data: detail, detail })));
  }

  clear(): void {
    this.#snapshot = null;
    this.set(new Map());
  }

  /** What is held becomes void when the snapshot is whole. One that was begun before and never ended is dropped. */
  beginSnapshot(): void {
    this.#snapshot = new Map();
  }

  endSnapshot(): void {
    if (this.#snapshot === null) return;
    const tasks = this.#snapshot;
    this.#snapshot = null;
    for (const [id, task] of tasks) {
      const known = this.read().get(id)?.detail ?? null;
      // What was fetched stays true, unless the server was put back to before it.
      if (task.detail === null && known !== null && compareNews(task.data, known) >= 0) tasks.set(id, { ...task, detail: known });
    }
    this.set(tasks);
  }

  /** A snapshot that broke off changes nothing. */
  dropSnapshot(): void {
    this.#snapshot = null;
  }

  #merge(news: readonly Task[]): Change[] {
    const before = this.read();
    let tasks: Map<number, Task> | null = null;
    const changes: Change[] = [];
    for (const each of news) {
      const held = (this.#snapshot ?? tasks ?? before).get(each.id);
      const task = merged(held, each);
      if (task === held) continue;
      this.#snapshot?.set(each.id, task);
      // An answer counts at once, even where a snapshot is under way that may never be whole.
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
  // An answer that says nothing later still brings links that are valid for longer.
  const fresh = news.detail !== null && compareNews(news.data, data) === 0;
  const later = fresh ? news.data : laterNews(data, news.data);
  const kept = news.detail === null || (detail !== null && compareNews(detail, news.detail) > 0) ? detail : news.detail;
  return later === data && kept === detail ? held : { id: held.id, data: later, detail: kept };
}
