/** Latency of messages, from the gateway's or service's clock to the local one, in milliseconds. */
export interface LatencyFigures {
  /** Number of messages measured, at most the size of the window. */
  count: number;
  last: number | null;
  median: number | null;
  p95: number | null;
}

const NONE: LatencyFigures = { count: 0, last: null, median: null, p95: null };

/** Latencies of the latest live messages. Two clocks are compared, so the skew between them is included. */
export class Latency {
  readonly #window: number[] = [];
  readonly #size: number;

  constructor(size = 256) {
    this.#size = size;
  }

  /** Record a message sent at an RFC 3339 time and received at `now`, in milliseconds since 1970; return its latency. */
  add(timestamp: string, now: number): number | null {
    const latency = now - Date.parse(timestamp);
    if (Number.isNaN(latency)) return null;
    this.#window.push(latency);
    if (this.#window.length > this.#size) this.#window.shift();
    return latency;
  }

  figures(): LatencyFigures {
    const sorted = [...this.#window].sort((a, b) => a - b);
    if (sorted.length === 0) return NONE;
    const at = (share: number): number | null => sorted[Math.ceil(share * sorted.length) - 1] ?? null;
    return { count: sorted.length, last: this.#window.at(-1) ?? null, median: at(0.5), p95: at(0.95) };
  }
}
