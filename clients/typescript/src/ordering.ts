/**
 * Which of two pieces of news about a task counts. They have a total order, and a task stands where its greatest one
 * says: so it makes no difference in which order they come, how often, or by which way (socket, poll, fetch).
 */
import type { TaskData } from "./messages.ts";

export function hasEnded(data: Pick<TaskData, "status">): boolean {
  return data.status === "completed" || data.status === "failed";
}

/** Return a number above 0 if `a` is the later news, below 0 if `b` is, 0 if neither. */
export function compareNews(a: TaskData, b: TaskData): number {
  return (
    Number(hasEnded(a)) - Number(hasEnded(b)) || // An end is never left.
    a.attempt - b.attempt ||
    compareText(a.updated_at, b.updated_at) || // UTC with milliseconds, so the order of texts is that of times.
    (a.seq ?? 0) - (b.seq ?? 0) || // A state change beats progress of the same millisecond.
    a.progress - b.progress
  );
}

/** Return the news to keep: `held` itself if `next` is no later. Progress names no file, so what is known stays. */
export function laterNews(held: TaskData | undefined, next: TaskData): TaskData {
  if (held === undefined) return next;
  if (compareNews(next, held) > 0) return next.filename === undefined ? named(next, held) : next;
  return held.filename === undefined ? named(held, next) : held;
}

function named(data: TaskData, by: TaskData): TaskData {
  return by.filename === undefined ? data : { ...data, filename: by.filename };
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
