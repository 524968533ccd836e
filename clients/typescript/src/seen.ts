/** Records the latest ids, so that a repeated message is dispatched once. */
export class Seen {
  readonly #ids = new Set<string>();
  readonly #limit: number;

  constructor(limit = 2_048) {
    this.#limit = limit;
  }

  /** Record an id; return whether it is new. */
  add(id: string): boolean {
    if (this.#ids.has(id)) return false;
    this.#ids.add(id);
    const [oldest] = this.#ids;
    if (oldest !== undefined && this.#ids.size > this.#limit) this.#ids.delete(oldest);
    return true;
  }
}
