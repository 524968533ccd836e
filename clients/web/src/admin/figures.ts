/** Pure helpers: ages, rates and sums, as the page for operators shows them. */
import type { Schemas } from "@whitebg/client";

import type { AdminTexts } from "./texts";

type Usage = Schemas["UsageOut"];

/** Format a duration in its largest unit. */
export function ageOf(seconds: number, { age }: AdminTexts): string {
  if (seconds < 120) return age.seconds(Math.floor(seconds));
  if (seconds < 7_200) return age.minutes(Math.floor(seconds / 60));
  if (seconds < 172_800) return age.hours(Math.floor(seconds / 3_600));
  return age.days(Math.floor(seconds / 86_400));
}

/** Return how many a minute, given the number within so many seconds. */
export function perMinute(count: number, seconds: number): number {
  return seconds > 0 ? (60 * count) / seconds : 0;
}

export function engineSeconds(usage: Usage): number {
  return usage.local_seconds + usage.neural_seconds + usage.gemini_seconds;
}

/** Count tasks by the reason for which they were skipped, the most frequent first: "QUOTA_EXCEEDED 3". */
export function reasonsOf(skipped: readonly { reason: string }[]): string {
  const counts = new Map<string, number>();
  for (const { reason } of skipped) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return [...counts]
    .sort(([, a], [, b]) => b - a)
    .map(([reason, count]) => `${reason} ${count}`)
    .join(", ");
}

/**
 * Return a function that starts `work`, or, while it is under way, once more after it: a change during one run is seen by
 * the next, and runs never overlap.
 */
export function merged(work: () => Promise<unknown>): () => void {
  let running = false;
  let again = false;
  const run = async (): Promise<void> => {
    running = true;
    do {
      again = false;
      await work();
    } while (again as boolean);
    running = false;
  };
  return () => {
    again = true;
    if (!running) void run();
  };
}
