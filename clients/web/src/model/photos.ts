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

  /** `tasks` newest first, `uploads` oldest first: photos added here keep their order, in whichever they are answered. */
  of(uploads: readonly Upload[], tasks: readonly Task[]): Photo[] {
    const mine = new Set(uploads.map(({ taskId }) => taskId));
    const known = new Map(tasks.map((task) => [task.id, task]));
    const unanswered = new Unanswered(uploads);
    const others = [...tasks].reverse().filter((task) => !mine.has(task.id) && !unanswered.claims(task));
    const ofUploads: PhotosOfUploads = new Map();
    const ofTasks: PhotosOfTasks = new Map();
    const photos: Photo[] = [];
    const addTask = (task: Task, owner?: Upload): void => {
      const before = this.#ofTasks.get(task);
      const entry = before !== undefined && before[0] === owner ? before : ([owner, ofTask(task, owner)] as const);
      ofTasks.set(task, entry);
      photos.push(entry[1]);
    };
    const addUpload = (upload: Upload): void => {
      const photo = this.#ofUploads.get(upload) ?? ofUpload(upload);
      ofUploads.set(upload, photo);
      photos.push(photo);
    };
    const left = others.values();
    let other = left.next().value;
    for (const upload of uploads) {
      // What has no task yet is newer than all that has.
      for (; other !== undefined && other.id < (upload.taskId ?? Infinity); other = left.next().value) addTask(other);
      const task = upload.taskId === null ? undefined : known.get(upload.taskId);
      if (task !== undefined) addTask(task, upload);
      // One that was sent and has no task is of a log that the server has lost since.
      else if (upload.state !== "sent") addUpload(upload);
    }
    for (; other !== undefined; other = left.next().value) addTask(other);
    this.#ofUploads = ofUploads;
    this.#ofTasks = ofTasks;
    return photos.reverse();
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
export const SURE = 0.869;

/** Whether a person should look at the result before using it. */
export function needsALook(detail: TaskDetail | null): boolean {
  const result = detail?.result ?? null;
  return result !== null && ((result.confidence ?? 1) < SURE || result.report?.passed === false);
}
