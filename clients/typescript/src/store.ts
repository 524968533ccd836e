/** What can be read and watched: the two functions that `useSyncExternalStore` wants. */
export interface Readable<T> {
  /** Return the value; the same object until it changes. */
  readonly read: () => T;
  /** Be told of changes until the returned function is called. */
  readonly watch: (listener: () => void) => () => void;
}

export class Store<T> implements Readable<T> {
  #value: T;
  readonly #listeners = new Set<() => void>();

  constructor(initial: T) {
    this.#value = initial;
  }

  // Arrow functions, so that React may hold them without their store.
  readonly read = (): T => this.#value;

  readonly watch = (listener: () => void): (() => void) => {
    const own = (): void => listener(); // The same listener may watch twice.
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  };

  set(value: T): void {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    for (const listener of [...this.#listeners]) listener();
  }
}
