/** Tasks as the gateway tells them, and the rule by which news about one replaces what is known of it. */
export type Status = "pending" | "processing" | "completed" | "failed";

/** What a message says about a task. `seq` and `filename` are not told with progress. */
export interface TaskNews {
  status: Status;
  progress: number;
  result_image_url: string | null;
  estimated_remaining_seconds: number | null;
  error_message: string | null;
  error_code: string | null;
  updated_at: string;
  attempt: number;
  stage: string;
  queue_position: number;
  seq?: number;
  filename?: string;
}

export interface TaskMessage {
  type: "task_update" | "task_complete" | "task_failed";
  task_id: number;
  data: TaskNews;
}

export interface Result {
  engine: string;
  content_type: string;
  width: number;
  height: number;
  size_bytes: number;
  /** 0 to 1; null where the engine can't tell. */
  confidence: number | null;
  /** The product's longest side as a share of the picture's side, 0 to 1. */
  fill: number;
  warnings: string[];
}

/** A task as `GET /api/generation/tasks/{id}` returns it: the parts that the page uses. */
export interface TaskDetail extends TaskNews {
  task_id: number;
  seq: number;
  filename: string;
  options: { preset: string; engine: string; format: string | null; fill: number | null; background: string | null };
  result: Result | null;
  input_image_url: string;
  thumbnail_url: string | null;
  created_at: string;
}

export interface Task {
  id: number;
  news: TaskNews;
  filename: string;
  /** Null until it was fetched; of an earlier state until it was fetched again. */
  detail: TaskDetail | null;
}

export function hasEnded(news: TaskNews): boolean {
  return news.status === "completed" || news.status === "failed";
}

/** Say whether news replaces what is known: an end is final, attempts and the log only go forward. */
export function supersedes(known: TaskNews, news: TaskNews): boolean {
  if (hasEnded(known) && !hasEnded(news)) return false;
  if (news.seq !== undefined && known.seq !== undefined) return news.seq >= known.seq;
  if (news.attempt !== known.attempt) return news.attempt > known.attempt;
  return news.updated_at >= known.updated_at;
}

export function withNews(task: Task | undefined, id: number, news: TaskNews): Task {
  if (task === undefined) return { id, news, filename: news.filename ?? "", detail: null };
  if (!supersedes(task.news, news)) return task;
  const seq = news.seq ?? task.news.seq;
  return {
    ...task,
    news: seq === undefined ? news : { ...news, seq },
    filename: news.filename ?? task.filename,
  };
}

export function withDetail(task: Task | undefined, detail: TaskDetail): Task {
  const base = withNews(task, detail.task_id, detail);
  const known = base.detail;
  return known !== null && known.seq > detail.seq ? base : { ...base, filename: detail.filename, detail };
}
