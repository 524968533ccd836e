/** What the page shows: uploads and tasks as one list of photos, newest first. */
import { kindOf, type ProblemKind } from "../api/problem";
import type { Task, TaskDetail } from "./task";
import type { Upload } from "./uploads";

export type Phase = "uploading" | "held" | "waiting" | "working" | "done" | "failed" | "cancelled";

export interface Photo {
  /** Stays the same while an upload becomes a task. */
  key: string;
  taskId: number | null;
  name: string;
  phase: Phase;
  /** 0 to 100. */
  percent: number;
  stage: string;
  /** 1 is next; 0 when not in the queue. */
  position: number;
  secondsLeft: number | null;
  attempt: number;
  problem: ProblemKind | null;
  /** What the server said, in English. */
  message: string | null;
  /** Picture of what was sent in: at once from the file, later from the server. */
  before: string | null;
  /** Small picture of the result. */
  thumbnail: string | null;
  result: string | null;
  detail: TaskDetail | null;
}

export function photosOf(uploads: readonly Upload[], tasks: ReadonlyMap<number, Task>): Photo[] {
  const previews = new Map<number, Upload>();
  const photos: Photo[] = [];
  for (const upload of uploads) {
    if (upload.taskId !== null) previews.set(upload.taskId, upload);
    if (upload.taskId === null || !tasks.has(upload.taskId)) photos.push(ofUpload(upload));
  }
  photos.reverse();
  const sorted = [...tasks.values()].sort((a, b) => b.id - a.id);
  return [...photos, ...sorted.map((task) => ofTask(task, previews.get(task.id)))];
}

function ofUpload(upload: Upload): Photo {
  return {
    key: upload.key,
    taskId: null,
    name: upload.file.name,
    phase: upload.state === "failed" ? "failed" : upload.state === "sending" ? "uploading" : "held",
    percent: 0,
    stage: "",
    position: 0,
    secondsLeft: null,
    attempt: 0,
    problem: upload.problem,
    message: null,
    before: upload.preview,
    thumbnail: null,
    result: null,
    detail: null,
  };
}

function ofTask({ id, news, filename, detail }: Task, upload: Upload | undefined): Photo {
  const phase = phaseOf(news.status, news.error_code);
  return {
    key: upload?.key ?? String(id),
    taskId: id,
    name: filename,
    phase,
    percent: news.progress,
    stage: news.stage,
    position: news.queue_position,
    secondsLeft: news.estimated_remaining_seconds,
    attempt: news.attempt,
    problem: phase === "failed" ? kindOf(news.error_code) : null,
    message: news.error_message,
    before: upload?.preview ?? detail?.input_image_url ?? null,
    thumbnail: detail?.thumbnail_url ?? null,
    result: news.result_image_url,
    detail,
  };
}

function phaseOf(status: string, code: string | null): Phase {
  if (status === "completed") return "done";
  if (status === "failed") return code === "cancelled" ? "cancelled" : "failed";
  return status === "processing" ? "working" : "waiting";
}
