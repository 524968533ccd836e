import type { Clock } from "../../src/index.ts";

/** A clock that a test advances. */
export class ManualClock implements Clock {
  #now = 0;
  #next = 0;
  readonly #timers = new Map<number, { at: number; act: () => void }>();

  now(): number {
    return this.#now;
  }

  setTimeout(act: () => void, milliseconds: number): number {
    this.#timers.set(++this.#next, { at: this.#now + milliseconds, act });
    return this.#next;
  }

  clearTimeout(timer: unknown): void {
    this.#timers.delete(timer as number);
  }

  /** How many timers are set. */
  get size(): number {
    return this.#timers.size;
  }

  pass(milliseconds: number): void {
    const until = this.#now + milliseconds;
    for (;;) {
      const due = [...this.#timers].filter(([, { at }]) => at <= until).sort(([, a], [, b]) => a.at - b.at)[0];
      if (due === undefined) break;
      this.#timers.delete(due[0]);
      this.#now = due[1].at;
      due[1].act();
    }
    this.#now = until;
  }
}
