/**
 * The total order of a task's updates. The greatest one is the task's state, so the order of delivery, duplicates and
 * the transport (socket, poll, fetch) make no difference.
 */
import type { TaskData } from "./messages.ts";

export function hasEnded(data: Pick<TaskData, "status">): boolean {
  return data.status === "completed" || data.status === "failed";
}

/** Return a number above 0 if `a` is the later update, below 0 if `b` is, 0 if neither. */
export function compareNews(a: TaskData, b: TaskData): number {
  return (
    Number(hasEnded(a)) - Number(hasEnded(b)) || // An ended task stays ended.
    a.attempt - b.attempt ||
    compareText(a.updated_at, b.updated_at) || // UTC with milliseconds, so text order is time order.
    (a.seq ?? 0) - (b.seq ?? 0) || // A state change is later than progress of the same millisecond.
    a.progress - b.progress
  );
}

/** Return the later update: `held` itself if `next` is no later. Fields that progress lacks come from the other one. */
export function laterNews(held: TaskData | undefined, next: TaskData): TaskData {
  if (held === undefined) return next;
  return compareNews(next, held) > 0 ? completed(next, held) : completed(held, next);
}

/** Return `data` with the file name and wait that progress lacks; `data` itself if nothing is added. */
function completed(data: TaskData, by: TaskData): TaskData {
  const named = data.filename === undefined && by.filename !== undefined ? { ...data, filename: by.filename } : data;
  // Gateways since 0.2 send a reason with every update of a waiting task: null where there is none.
  if (data.seq !== undefined || data.wait_reason !== undefined || by.wait_reason == null) return named;
  if (data.status !== "pending" || by.status !== "pending" || data.attempt !== by.attempt) return named;
  return { ...named, wait_reason: by.wait_reason, waiting_until: by.waiting_until };
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
