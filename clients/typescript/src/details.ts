/** Fetches what messages do not tell of a task: each once, few at a time, again later while the server is away. */
import type { Clock } from "./environment.ts";
import type { TaskDetail } from "./http.ts";
import { ApiError } from "./problem.ts";
import { lacksDetail, type Task } from "./tasks.ts";
import { Timers } from "./timers.ts";

const AT_ONCE = 3;
/** When to try again if nobody said. */
const AGAIN_MS = 2_000;

export class Details {
  readonly #wanted = new Set<number>();
  readonly #timers: Timers<"again">;
  readonly #get: (taskId: number) => Promise<TaskDetail>;
  readonly #learn: (detail: TaskDetail) => void;
  #running = 0;

  constructor(clock: Clock, get: (taskId: number) => Promise<TaskDetail>, learn: (detail: TaskDetail) => void) {
    this.#timers = new Timers(clock);
    this.#get = get;
    this.#learn = learn;
  }

  /** See whether the detail of this task is to be fetched. */
  check(task: Task): void {
    if (!lacksDetail(task)) return;
    this.#wanted.add(task.id);
    void this.#run();
  }

  /** Want nothing any more. */
  stop(): void {
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
    try {
      this.#learn(await this.#get(id));
    } catch (error) {
      if (error instanceof ApiError && !error.retryable) return; // It is gone, such as by its age.
      this.#wanted.add(id);
      const pause = (error instanceof ApiError ? error.retryAfterMs : null) ?? AGAIN_MS;
      this.#timers.set("again", pause, () => void this.#run());
    }
  }
}
