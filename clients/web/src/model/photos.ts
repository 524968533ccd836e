/** What the page shows: uploads and tasks as one list of photos, newest first. */
import { hasEnded, type Task, type TaskDetail } from "@whitebg/client";

import { kindOf, type ProblemKind } from "./problem";
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

type PhotosOfUploads = Map<Upload, Photo>;
/** Each with the upload that it came from, if that was here. */
type PhotosOfTasks = Map<Task, readonly [Upload | undefined, Photo]>;

/** Makes the list anew with each message; a photo about which nothing was said stays the same object. */
export class PhotoList {
  #ofUploads: PhotosOfUploads = new Map();
  #ofTasks: PhotosOfTasks = new Map();

  /** `tasks` newest first, `uploads` oldest first. */
  of(uploads: readonly Upload[], tasks: readonly Task[]): Photo[] {
    const owners = new Map<number, Upload>();
    for (const upload of uploads) if (upload.taskId !== null) owners.set(upload.taskId, upload);
    const shown = new Set<Upload>();
    const unanswered = new Unanswered(uploads);
    const ofTasks: PhotosOfTasks = new Map();
    // Oldest first, as they were sent.
    for (const task of [...tasks].reverse()) {
      const owner = owners.get(task.id);
      if (owner === undefined && unanswered.claims(task)) continue;
      if (owner !== undefined) shown.add(owner);
      const known = this.#ofTasks.get(task);
      ofTasks.set(task, known !== undefined && known[0] === owner ? known : [owner, ofTask(task, owner)]);
    }
    const ofUploads: PhotosOfUploads = new Map();
    for (const upload of uploads) {
      // One that was sent and has no task is of a log that the server has lost since.
      if (!shown.has(upload) && upload.state !== "sent") ofUploads.set(upload, this.#ofUploads.get(upload) ?? ofUpload(upload));
    }
    this.#ofUploads = ofUploads;
    this.#ofTasks = ofTasks;
    return [...[...ofTasks.values()].map(([, photo]) => photo), ...ofUploads.values()].reverse();
  }
}

/** Uploads without an answer: an event may tell of their task first, which would show them twice for a moment. */
class Unanswered {
  readonly #byName = new Map<string, Upload[]>();

  constructor(uploads: readonly Upload[]) {
    for (const upload of uploads) {
      if (!upload.mayBeTaken || upload.taskId !== null) continue;
      const group = this.#byName.get(upload.file.name);
      if (group === undefined) this.#byName.set(upload.file.name, [upload]);
      else group.push(upload);
    }
  }

  /** Return whether this may well be the task of one of them; each claims one. */
  claims({ id, data }: Task): boolean {
    const group = this.#byName.get(data.filename ?? "");
    const at = group?.findIndex(({ after }) => id > after) ?? -1;
    if (at < 0) return false;
    group?.splice(at, 1);
    return true;
  }
}

function ofUpload(upload: Upload): Photo {
  return {
    key: upload.key,
    taskId: null,
    name: upload.file.name,
    phase: upload.cancelled ? "cancelled" : phaseOfUpload(upload.state),
    percent: 0,
    stage: "",
    position: 0,
    secondsLeft: null,
    attempt: 0,
    problem: upload.cancelled ? null : upload.problem,
    message: null,
    before: upload.preview,
    thumbnail: null,
    result: null,
    detail: null,
  };
}

function phaseOfUpload(state: Upload["state"]): Phase {
  if (state === "failed") return "failed";
  return state === "sending" ? "uploading" : "held";
}

function ofTask({ id, data, detail }: Task, upload: Upload | undefined): Photo {
  const unwanted = upload?.cancelled === true && !hasEnded(data);
  const phase = unwanted ? "cancelled" : phaseOf(data.status, data.error_code);
  return {
    key: upload?.key ?? String(id),
    taskId: id,
    name: data.filename ?? "",
    phase,
    percent: data.progress,
    stage: data.stage,
    position: data.queue_position,
    secondsLeft: data.estimated_remaining_seconds,
    attempt: data.attempt,
    problem: phase === "failed" ? kindOf(data.error_code) : null,
    message: data.error_message,
    before: upload?.preview ?? detail?.input_image_url ?? null,
    thumbnail: detail?.thumbnail_url ?? null,
    result: data.result_image_url,
    detail,
  };
}

function phaseOf(status: string, code: string | null): Phase {
  if (status === "completed") return "done";
  if (status === "failed") return code === "cancelled" ? "cancelled" : "failed";
  return status === "processing" ? "working" : "waiting";
}

/** A cut-out with lower odds of being right is to be looked at; the service draws the line there too. */
export const SURE = 0.8;

/** Whether a person should look at the result before using it. */
export function needsALook(detail: TaskDetail | null): boolean {
  const result = detail?.result ?? null;
  return result !== null && ((result.confidence ?? 1) < SURE || result.report?.passed === false);
}
