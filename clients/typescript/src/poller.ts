/** Asks what was missed, again and again, while there is no WebSocket to be had. */
import type { Clock } from "./environment.ts";
import type { SyncAnswer } from "./messages.ts";
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

  /** Ask at once, and then this many milliseconds after each answer. Does nothing if it runs. */
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
    try {
      let more = true;
      while (more) {
        const answer = await this.#sync(this.#handlers.since());
        if (this.#run !== run) return; // A socket has opened meanwhile, and asked for the same.
        this.#handlers.onAnswer(answer);
        more = answer.has_more;
      }
    } catch (error) {
      if (this.#run !== run) return;
      this.#handlers.onFailure(error);
    }
    if (this.#run === run) this.#timers.set("poll", interval, () => void this.#poll(run, interval));
  }
}
