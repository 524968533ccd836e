/** Groups photos by the day on which they were added. */
import type { Photo } from "./photos";

export interface Day {
  /** Local midnight in milliseconds since 1970; null while unknown. */
  start: number | null;
  photos: readonly Photo[];
}

/** Return consecutive photos of the same day together; a photo without a known time belongs to the day before it. */
export function byDay(photos: readonly Photo[]): Day[] {
  const days: { start: number | null; photos: Photo[] }[] = [];
  for (const photo of photos) {
    const start = photo.addedAt === null ? (days.at(-1)?.start ?? null) : midnight(photo.addedAt);
    const last = days.at(-1);
    if (last?.start === start) last.photos.push(photo);
    else days.push({ start, photos: [photo] });
  }
  return days;
}

export function midnight(time: number): number {
  return new Date(time).setHours(0, 0, 0, 0);
}

/** Name a day relative to today: "Today", "Yesterday", else the date. */
export function dayName(start: number, tag: string, now = Date.now()): string {
  const days = Math.round((start - midnight(now)) / 86_400_000);
  if (days > -2 && days <= 0) {
    const text = new Intl.RelativeTimeFormat(tag, { numeric: "auto" }).format(days, "day");
    return text.charAt(0).toLocaleUpperCase(tag) + text.slice(1);
  }
  const year = new Date(start).getFullYear() === new Date(now).getFullYear() ? {} : { year: "numeric" as const };
  return new Intl.DateTimeFormat(tag, { weekday: "long", day: "numeric", month: "long", ...year }).format(start);
}
