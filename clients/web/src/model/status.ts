/** The state of each photo in the review, and the filters by it. */
import { doubtOf, type Photo } from "./photos";

export const STATUSES = ["active", "review", "failed", "ready", "accepted", "rejected", "cancelled"] as const;
export type Status = (typeof STATUSES)[number];

export interface Filter {
  /** Null: all. */
  status: Status | null;
  /** Part of the name, any case; empty: all. */
  name: string;
  /** Preset; empty: all. */
  market: string;
}

export const NO_FILTER: Filter = { status: null, name: "", market: "" };

export function statusOf(photo: Photo): Status {
  switch (photo.phase) {
    case "failed":
      return "failed";
    case "cancelled":
      return "cancelled";
    case "done":
      return photo.decision ?? (doubtOf(photo.detail) === null ? "ready" : "review");
    default:
      return "active";
  }
}

export function countStatuses(photos: readonly Photo[]): Record<Status, number> {
  const counts = Object.fromEntries(STATUSES.map((status) => [status, 0])) as Record<Status, number>;
  for (const photo of photos) counts[statusOf(photo)] += 1;
  return counts;
}

/** Return the photos that match all parts of a filter, in the same order. */
export function matching(photos: readonly Photo[], filter: Filter): readonly Photo[] {
  const name = filter.name.trim().toLocaleLowerCase();
  return photos.filter(
    (photo) =>
      (filter.status === null || statusOf(photo) === filter.status) &&
      (filter.market === "" || photo.market === filter.market) &&
      (name === "" || photo.name.toLocaleLowerCase().includes(name)),
  );
}
