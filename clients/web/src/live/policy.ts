/** When to connect again. */
export const FAILURES_BEFORE_POLLING = 3;
/** How often a polling page looks whether the gateway has changed its mind. */
export const PROBE_MS = 30_000;

const FIRST_MS = 1_000;
const LONGEST_MS = 30_000;

/** The range of a close code is its policy. An expired token (4010) is renewed by connecting again. */
export function policyOf(code: number): "stop" | "back_off" | "soon" {
  if (code === 4010) return "soon";
  if (code >= 4000 && code < 4100) return "stop";
  return code >= 4200 && code < 4300 ? "soon" : "back_off";
}

/** Full jitter: anything up to a limit that doubles, so that pages that lost one gateway do not return at once. */
export function backoff(failures: number, random: () => number = Math.random): number {
  return random() * Math.min(LONGEST_MS, FIRST_MS * 2 ** (failures - 1));
}
