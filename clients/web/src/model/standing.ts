/** A photo's state in words. */
import type { Texts } from "../i18n";
import { midnight } from "./days";
import type { Photo } from "./photos";

/** Return state, position, progress, attempt and estimate, as far as they are known. */
export function standing(photo: Photo, texts: Texts, tag: string): string {
  const words = [texts.phase[photo.phase]];
  const wait = photo.phase === "waiting" ? waitOf(photo, texts, tag) : null;
  if (wait !== null) words[0] = wait;
  else if (photo.phase === "waiting" && photo.position > 0) words[0] = texts.position(photo.position);
  if (photo.phase === "working") {
    words[0] = (texts.stage as Partial<Record<string, string>>)[photo.stage] ?? texts.phase.working;
    words.push(`${photo.percent}%`);
  }
  if (photo.phase === "waiting" || photo.phase === "working") {
    if (photo.attempt > 1) words.push(texts.attempt(photo.attempt));
    if (photo.secondsLeft !== null) words.push(leftOf(photo.secondsLeft, texts));
  }
  return words.join(" · ");
}

/**
 * Return the reason and expected end of a wait, with the date unless it ends today; null for a photo that is only
 * queued. The device's clock, which may be wrong, decides on nothing but the date.
 */
export function waitOf({ wait }: Pick<Photo, "wait">, texts: Texts, tag: string, now = Date.now()): string | null {
  const reason = wait === null ? undefined : (texts.wait as Partial<Record<string, string>>)[wait.reason];
  if (wait === null || reason === undefined) return null;
  if (wait.until === null) return reason;
  const date = midnight(wait.until) === midnight(now) ? {} : { month: "short" as const, day: "numeric" as const };
  const format = new Intl.DateTimeFormat(tag, { ...date, hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  return texts.waitUntil(reason, format.format(wait.until));
}

/** Return an estimate in seconds, or from 90 on in minutes. */
export function leftOf(seconds: number, texts: Texts): string {
  return seconds < 90 ? texts.left.seconds(Math.max(1, Math.round(seconds))) : texts.left.minutes(Math.round(seconds / 60));
}
