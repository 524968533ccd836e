/** All tasks that this page knows of: fed by messages and by fetches, read by React. */
import type { Gateway } from "../api/gateway";
import { hasEnded, type Task, type TaskMessage, withDetail, withNews } from "./task";
import { Store } from "./store";

const PAGE = 100;
const FETCHES = 3;

export interface TaskList {
  tasks: ReadonlyMap<number, Task>;
  /** False until the first page of the history is there. */
  loaded: boolean;
  /** How many tasks the server keeps. */
  total: number;
}

export class Tasks extends Store<TaskList> {
  #wanted = new Set<number>();
  #fetching = 0;

  constructor(private readonly gateway: Gateway) {
    super({ tasks: new Map(), loaded: false, total: 0 });
  }

  /** Take in a message; what only a fetch can tell (thumbnail, checks of the result) is fetched once. */
  apply(message: TaskMessage): void {
    const before = this.value.tasks.get(message.task_id);
    const task = withNews(before, message.task_id, message.data);
    if (task === before) return;
    this.#put(task);
    const ended = hasEnded(task.news) && (task.detail === null || !hasEnded(task.detail));
    if (task.detail === null || ended) this.#want(task.id);
  }

  /** Read the newest page of the history: at start, and after a snapshot. */
  async load(): Promise<void> {
    const page = await this.gateway.list(0, PAGE);
    const tasks = new Map(this.value.tasks);
    for (const detail of page.tasks) tasks.set(detail.task_id, withDetail(tasks.get(detail.task_id), detail));
    this.set({ tasks, loaded: true, total: Math.max(page.total, tasks.size) });
  }

  async loadOlder(): Promise<void> {
    const page = await this.gateway.list(this.value.tasks.size, PAGE);
    const tasks = new Map(this.value.tasks);
    for (const detail of page.tasks) tasks.set(detail.task_id, withDetail(tasks.get(detail.task_id), detail));
    this.set({ ...this.value, tasks, total: page.tasks.length === 0 ? tasks.size : Math.max(page.total, tasks.size) });
  }

  /** Fetch one task anew, such as when its signed links have expired. */
  async refresh(id: number): Promise<void> {
    const detail = await this.gateway.task(id);
    this.#put(withDetail(this.value.tasks.get(id), detail));
  }

  add(detail: Parameters<typeof withDetail>[1]): void {
    this.#put(withDetail(this.value.tasks.get(detail.task_id), detail));
  }

  #put(task: Task): void {
    const tasks = new Map(this.value.tasks).set(task.id, task);
    this.set({ ...this.value, tasks, total: Math.max(this.value.total, tasks.size) });
  }

  #want(id: number): void {
    this.#wanted.add(id);
    void this.#fetchWanted();
  }

  async #fetchWanted(): Promise<void> {
    if (this.#fetching >= FETCHES) return;
    this.#fetching += 1;
    try {
      for (const id of this.#wanted) {
        this.#wanted.delete(id);
        try {
          await this.refresh(id);
        } catch {
          // Without its detail a card shows less; the next message or snapshot asks again.
        }
      }
    } finally {
      this.#fetching -= 1;
    }
  }
}
