/** A value that React can watch: `useSyncExternalStore(store.subscribe, store.read)`. */
export class Store<T> {
  #listeners = new Set<() => void>();

  constructor(protected value: T) {}

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly read = (): T => this.value;

  protected set(value: T): void {
    this.value = value;
    for (const listener of this.#listeners) listener();
  }
}
