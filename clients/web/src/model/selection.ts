/** The selected photos. */
import { Store } from "@whitebg/client";

export class Selection extends Store<ReadonlySet<string>> {
  /** The photo that was selected last: the start of a range. */
  #anchor: string | null = null;

  constructor() {
    super(new Set());
  }

  toggle(key: string): void {
    const next = new Set(this.read());
    if (!next.delete(key)) next.add(key);
    this.#anchor = key;
    this.set(next);
  }

  /** Add all photos from the last selected one to this one; `order` is the order on the page. */
  extend(key: string, order: readonly string[]): void {
    const from = this.#anchor === null ? -1 : order.indexOf(this.#anchor);
    const to = order.indexOf(key);
    if (from < 0 || to < 0) return this.toggle(key);
    this.set(new Set([...this.read(), ...order.slice(Math.min(from, to), Math.max(from, to) + 1)]));
  }

  replace(keys: readonly string[]): void {
    this.#anchor = keys.at(-1) ?? null;
    this.set(new Set(keys));
  }

  clear(): void {
    if (this.read().size > 0) this.replace([]);
  }
}
