/** Remembers the latest ids, so that a message that is sent again is told once. */
export class Seen {
  readonly #ids = new Set<string>();
  readonly #limit: number;

  constructor(limit = 2_048) {
    this.#limit = limit;
  }

  /** Return whether the id is new, and remember it. */
  add(id: string): boolean {
    if (this.#ids.has(id)) return false;
    this.#ids.add(id);
    const [oldest] = this.#ids;
    if (oldest !== undefined && this.#ids.size > this.#limit) this.#ids.delete(oldest);
    return true;
  }
}
