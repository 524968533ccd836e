export interface BackoffOptions {
  /** The limit of the first delay, in milliseconds. */
  firstMs: number;
  /** What no delay exceeds, in milliseconds. */
  longestMs: number;
}

export const BACKOFF: BackoffOptions = { firstMs: 1_000, longestMs: 30_000 };

/**
 * Return the delay after a number of failures in a row (1 or more), with full jitter: anything up to a limit that
 * doubles, so that clients that lost a gateway together do not return together.
 */
export function backoff(failures: number, random: () => number, options: BackoffOptions = BACKOFF): number {
  const { firstMs, longestMs } = options;
  return random() * Math.min(longestMs, firstMs * 2 ** Math.max(0, failures - 1));
}
