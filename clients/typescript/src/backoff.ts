export interface BackoffOptions {
  /** Maximum of the first delay, in milliseconds. */
  firstMs: number;
  /** Maximum of any delay, in milliseconds. */
  longestMs: number;
}

export const BACKOFF: BackoffOptions = { firstMs: 1_000, longestMs: 30_000 };

/**
 * Return the delay after a number of consecutive failures (1 or more), with full jitter: random up to a maximum that
 * doubles, so that clients that lost a gateway at the same time do not reconnect at the same time.
 */
export function backoff(failures: number, random: () => number, options: BackoffOptions = BACKOFF): number {
  const { firstMs, longestMs } = options;
  return random() * Math.min(longestMs, firstMs * 2 ** Math.max(0, failures - 1));
}
