/** The header's resolution is one second. */
const RESOLUTION_MS = 1_000;

/** Server time, measured from the `Date` header of responses: the device's clock may be days off, or be changed. */
export class ServerTime {
  readonly #elapsed: () => number;
  #last: { date: number; at: number } | null = null;

  /** `elapsed` is a monotonic clock in milliseconds. */
  constructor(elapsed: () => number = () => performance.now()) {
    this.#elapsed = elapsed;
  }

  /** Record the `Date` header of a new response. A missing or earlier one (of a cached response) is ignored. */
  record(header: string | null): void {
    const date = Date.parse(header ?? "");
    if (date >= (this.now() ?? 0) - RESOLUTION_MS) this.#last = { date, at: this.#elapsed() };
  }

  /** Return milliseconds since 1970 at the server, to the second; null before the first response. */
  now(): number | null {
    return this.#last === null ? null : this.#last.date + this.#elapsed() - this.#last.at;
  }
}
