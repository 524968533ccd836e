/** Fetches task details that messages lack: once each, few at a time, again later if the server is unavailable. */
import type { Clock } from "./environment.ts";
import type { TaskDetail } from "./http.ts";
import { ApiError } from "./problem.ts";
import { lacksDetail, type Task } from "./tasks.ts";
import { Timers } from "./timers.ts";

const AT_ONCE = 3;
/** Delay before the next attempt if the server named none. */
const AGAIN_MS = 2_000;

export class Details {
  readonly #wanted = new Set<number>();
  readonly #timers: Timers<"again">;
  readonly #refresh: (taskId: number) => Promise<TaskDetail>;
  #running = 0;
  /** Changes with each `stop`: a fetch that fails after it is not repeated. */
  #era = {};

  /** `refresh` fetches the detail of a task and stores it. */
  constructor(clock: Clock, refresh: (taskId: number) => Promise<TaskDetail>) {
    this.#timers = new Timers(clock);
    this.#refresh = refresh;
  }

  /** Fetch the detail of this task if it is incomplete. */
  check(task: Task): void {
    if (!lacksDetail(task)) return;
    this.#wanted.add(task.id);
    void this.#run();
  }

  /** Discard all scheduled fetches. */
  stop(): void {
    this.#era = {};
    this.#wanted.clear();
    this.#timers.clearAll();
  }

  async #run(): Promise<void> {
    if (this.#running >= AT_ONCE || this.#timers.has("again")) return;
    this.#running += 1;
    for (const id of this.#wanted) {
      this.#wanted.delete(id);
      await this.#fetch(id);
      if (this.#timers.has("again")) break;
    }
    this.#running -= 1;
  }

  async #fetch(id: number): Promise<void> {
    const era = this.#era;
    try {
      await this.#refresh(id);
    } catch (error) {
      if (this.#era !== era) return;
      if (error instanceof ApiError && !error.retryable) return; // It was deleted, such as by retention.
      this.#wanted.add(id);
      const pause = (error instanceof ApiError ? error.retryAfterMs : null) ?? AGAIN_MS;
      this.#timers.set("again", pause, () => void this.#run());
    }
  }
}
