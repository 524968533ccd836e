/** Groups photos by the day on which they were added, and by the batch in which they were added together. */
import type { Photo } from "./photos";

export interface Day {
  /** Local midnight in milliseconds since 1970; null while unknown. */
  start: number | null;
  groups: readonly Group[];
}

export interface Group {
  /** Null: photos that were added one by one. */
  batch: string | null;
  /** When the newest one was added, in milliseconds since 1970; null while unknown. */
  addedAt: number | null;
  photos: readonly Photo[];
}

/**
 * Group photos, newest first. A batch stays together, at the position of its newest photo, even if other photos were
 * uploaded at the same time. A later version is where its first one is (`first`), and a photo without a known time with
 * those before it.
 */
export function byDay(photos: readonly Photo[], first: ReadonlyMap<string, Photo> = new Map()): Day[] {
  const days: { start: number | null; groups: { batch: string | null; addedAt: number | null; photos: Photo[] }[] }[] = [];
  const batches = new Map<string, Photo[]>();
  for (const photo of photos) {
    const { batch, addedAt } = first.get(photo.key) ?? photo;
    const known = batch === null ? undefined : batches.get(batch);
    if (known !== undefined) {
      known.push(photo);
      continue;
    }
    const last = days.at(-1);
    const start = addedAt === null ? (last?.start ?? null) : midnight(addedAt);
    // Of a file that failed, the time is that of a device whose clock may be wrong.
    let day = last?.start === start ? last : days.find((each) => each.start === start);
    if (day === undefined) days.push((day = { start, groups: [] }));
    const group = day.groups.at(-1);
    if (batch === null && group?.batch === null) group.photos.push(photo);
    else {
      const begun = [photo];
      day.groups.push({ batch, addedAt, photos: begun });
      if (batch !== null) batches.set(batch, begun);
    }
  }
  return days;
}

/** Return the photos in the order in which they are shown. */
export function inOrder(days: readonly Day[]): Photo[] {
  return days.flatMap(({ groups }) => groups.flatMap(({ photos }) => photos));
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
