import type { Clock, Timer } from "./environment.ts";

/** The longest delay that browsers and Node support; a longer one would fire at once. */
const LONGEST_MS = 2 ** 31 - 1;

/** Timers by name: setting one again replaces it, and all can be cleared together. */
export class Timers<Name extends string> {
  readonly #clock: Clock;
  readonly #running = new Map<Name, Timer>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  set(name: Name, milliseconds: number, act: () => void): void {
    this.clear(name);
    const fire = (): void => {
      this.#running.delete(name);
      act();
    };
    this.#running.set(name, this.#clock.setTimeout(fire, Math.min(milliseconds, LONGEST_MS)));
  }

  has(name: Name): boolean {
    return this.#running.has(name);
  }

  clear(name: Name): void {
    if (!this.#running.has(name)) return;
    this.#clock.clearTimeout(this.#running.get(name));
    this.#running.delete(name);
  }

  clearAll(): void {
    for (const name of [...this.#running.keys()]) this.clear(name);
  }
}
