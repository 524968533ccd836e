import { isolated, logError, type Report } from "./report.ts";

/** A value that can be read and watched: the two functions that `useSyncExternalStore` needs. */
export interface Readable<T> {
  /** Return the value; the same object until it changes. */
  readonly read: () => T;
  /** Call a listener after each change, until the returned function is called. */
  readonly watch: (listener: () => void) => () => void;
}

export class Store<T> implements Readable<T> {
  #value: T;
  readonly #listeners = new Set<() => void>();
  readonly #report: Report;

  /** `report` receives the errors of listeners; one that throws does not affect the others. */
  constructor(initial: T, report: Report = logError) {
    this.#value = initial;
    this.#report = report;
  }

  // Arrow functions, so that React can call them without the store.
  readonly read = (): T => this.#value;

  readonly watch = (listener: () => void): (() => void) => {
    const own = (): void => listener(); // The same listener may be added twice.
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  };

  set(value: T): void {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    for (const listener of [...this.#listeners]) {
      // Skip listeners that an earlier listener removed.
      if (this.#listeners.has(listener)) isolated(listener, this.#report);
    }
  }
}
