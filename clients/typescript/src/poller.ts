/** Polls for missed messages while no WebSocket is open. */
import type { Clock } from "./environment.ts";
import type { SyncAnswer } from "./messages.ts";
import { ApiError } from "./problem.ts";
import { Timers } from "./timers.ts";

export interface PollerHandlers {
  since(): string | null;
  onAnswer(answer: SyncAnswer): void;
  onFailure(error: unknown): void;
}

export class Poller {
  readonly #timers: Timers<"poll">;
  readonly #sync: (since: string | null) => Promise<SyncAnswer>;
  readonly #handlers: PollerHandlers;
  #run: object | null = null;

  constructor(clock: Clock, sync: (since: string | null) => Promise<SyncAnswer>, handlers: PollerHandlers) {
    this.#timers = new Timers(clock);
    this.#sync = sync;
    this.#handlers = handlers;
  }

  get running(): boolean {
    return this.#run !== null;
  }

  /**
   * Poll now, and again this many milliseconds after each response, or later if the server names a later time. No
   * effect while running.
   */
  start(interval: number): void {
    if (this.#run !== null) return;
    this.#run = {};
    void this.#poll(this.#run, interval);
  }

  stop(): void {
    this.#run = null;
    this.#timers.clearAll();
  }

  async #poll(run: object, interval: number): Promise<void> {
    let pause = interval;
    try {
      let more = true;
      while (more) {
        const answer = await this.#sync(this.#handlers.since());
        if (this.#run !== run) return; // A socket opened in the meantime and receives the same messages.
        this.#handlers.onAnswer(answer);
        more = answer.has_more;
      }
    } catch (error) {
      if (this.#run !== run) return;
      this.#handlers.onFailure(error);
      if (error instanceof ApiError) pause = Math.max(interval, error.retryAfterMs ?? 0);
    }
    if (this.#run === run) this.#timers.set("poll", pause, () => void this.#poll(run, interval));
  }
}
