/** The page's content: uploads and tasks as one list of photos, newest first. */
import { hasEnded, type Task, type TaskDetail } from "@whitebg/client";

import type { Decision, DecisionMap } from "./decisions";
import { kindOf, type ProblemKind } from "./problem";
import type { Rejection } from "./rejections";
import type { Upload } from "./uploads";

export type Phase = "uploading" | "held" | "waiting" | "working" | "done" | "failed" | "cancelled";

export interface Photo {
  /** Unchanged when an upload becomes a task. */
  key: string;
  taskId: number | null;
  name: string;
  phase: Phase;
  /** 0 to 100. */
  percent: number;
  stage: string;
  /** Why it can't run at present, and the expected end in milliseconds since 1970, null if unknown. */
  wait: { reason: string; until: number | null } | null;
  /** 1 is next; 0 when not in the queue. */
  position: number;
  secondsLeft: number | null;
  attempt: number;
  problem: ProblemKind | null;
  /** The server's error message, in English. */
  message: string | null;
  /** URL of the original photo: of the local file where there is one, else from the server. */
  before: string | null;
  /** Small picture of the result. */
  thumbnail: string | null;
  result: string | null;
  detail: TaskDetail | null;
  /** The owner's decision on the result; null while open. */
  decision: Decision | null;
  /** The preset that it is made for; empty while unknown. */
  market: string;
  /** When it was added, in milliseconds since 1970; null while unknown. */
  addedAt: number | null;
  /** Name of the batch of photos that were added together; null for a single one. */
  batch: string | null;
}

type PhotosOfUploads = Map<Upload | Rejection, Photo>;
/** Each with its upload, if that was made on this page. */
type PhotosOfTasks = Map<Task, readonly [Upload | undefined, Photo]>;

/** Common to all files that are no task. */
const WITHOUT_TASK = {
  taskId: null,
  percent: 0,
  stage: "",
  wait: null,
  position: 0,
  secondsLeft: null,
  attempt: 0,
  message: null,
  thumbnail: null,
  result: null,
  detail: null,
  decision: null,
} as const;

/** Builds the list again for each update; an unchanged photo stays the same object. */
export class PhotoList {
  #ofUploads: PhotosOfUploads = new Map();
  #ofTasks: PhotosOfTasks = new Map();

  /**
   * `tasks` newest first, `uploads` and `rejections` oldest first. Uploads under way are above all tasks, which are
   * ordered by id, and files that failed are where their tasks would be: each tab shows the same order, also after a
   * reload. `decisions` are those that the tasks don't have yet.
   */
  of(
    uploads: readonly Upload[],
    tasks: readonly Task[],
    decisions: DecisionMap = new Map(),
    rejections: readonly Rejection[] = [],
  ): Photo[] {
    const owners = new Map(uploads.flatMap((upload) => (upload.taskId === null ? [] : [[upload.taskId, upload] as const])));
    const unanswered = new Unanswered(uploads);
    // Oldest first, as the uploads that may have created them.
    const claimed = new Set([...tasks].reverse().filter((task) => !owners.has(task.id) && unanswered.claims(task)));
    const ofUploads: PhotosOfUploads = new Map();
    const ofTasks: PhotosOfTasks = new Map();
    const [underWay, failed]: [Photo[], Placed[]] = [[], []];
    const enter = (source: Upload | Rejection, make: () => Photo, isFailed: boolean): void => {
      const photo = this.#ofUploads.get(source) ?? make();
      ofUploads.set(source, photo);
      if (isFailed) failed.push({ photo, after: source.after });
      else underWay.push(photo);
    };
    for (const rejection of rejections) enter(rejection, () => ofRejection(rejection), true);
    for (const upload of uploads) {
      // A sent upload without a task belongs to a log that the server has lost since, or its task was deleted.
      if (upload.taskId === null) enter(upload, () => ofUpload(upload), upload.state === "failed");
    }
    for (const task of tasks) {
      if (claimed.has(task)) continue;
      const owner = owners.get(task.id);
      const decision = decisionOf(task, decisions);
      const before = this.#ofTasks.get(task);
      const isSame = before !== undefined && before[0] === owner && before[1].decision === decision;
      ofTasks.set(task, isSame ? before : [owner, ofTask(task, owner, decision)]);
    }
    this.#ofUploads = ofUploads;
    this.#ofTasks = ofTasks;
    return [...underWay.reverse(), ...merged([...ofTasks.values()].map(([, photo]) => photo), failed.reverse())];
  }
}

/** A photo without a task, and the newest task that was known before it. */
interface Placed {
  photo: Photo;
  after: number;
}

/** Insert photos among those of tasks; both newest first. */
function merged(ofTasks: readonly Photo[], placed: readonly Placed[]): Photo[] {
  const rest = [...placed].sort((a, b) => b.after - a.after || (b.photo.addedAt ?? 0) - (a.photo.addedAt ?? 0));
  const all: Photo[] = [];
  for (const photo of ofTasks) {
    while (rest[0] !== undefined && rest[0].after >= (photo.taskId ?? 0)) all.push(...rest.splice(0, 1).map((each) => each.photo));
    all.push(photo);
  }
  return [...all, ...rest.map(({ photo }) => photo)];
}

/** Uploads without a response: an event of their task may arrive first, and would show them twice for a moment. */
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

  /** Return whether this is probably the task of one of them; each upload claims one task. */
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
    ...WITHOUT_TASK,
    key: upload.key,
    name: upload.file.name,
    phase: upload.cancelled ? "cancelled" : phaseOfUpload(upload.state),
    problem: upload.cancelled ? null : upload.problem,
    before: upload.preview,
    market: upload.options.preset,
    addedAt: upload.addedAt,
    batch: upload.batch,
  };
}

function ofRejection({ key, name, problem, market, addedAt, batch }: Rejection): Photo {
  return { ...WITHOUT_TASK, key, name, phase: "failed", problem, before: null, market, addedAt, batch };
}

function phaseOfUpload(state: Upload["state"]): Phase {
  if (state === "failed") return "failed";
  return state === "sending" ? "uploading" : "held";
}

function decisionOf({ id, data }: Task, decisions: DecisionMap): Decision | null {
  const review = decisions.get(id) ?? data.review ?? "open";
  return review === "open" ? null : review;
}

function ofTask({ id, data, detail }: Task, upload: Upload | undefined, decision: Decision | null): Photo {
  const unwanted = upload?.cancelled === true && !hasEnded(data);
  const phase = unwanted ? "cancelled" : phaseOf(data.status, data.error_code);
  return {
    key: upload?.key ?? String(id),
    taskId: id,
    name: data.filename ?? "",
    phase,
    percent: data.progress,
    stage: data.stage,
    wait:
      data.wait_reason == null
        ? null
        : { reason: data.wait_reason, until: data.waiting_until == null ? null : Date.parse(data.waiting_until) },
    position: data.queue_position,
    secondsLeft: data.estimated_remaining_seconds,
    attempt: data.attempt,
    problem: phase === "failed" ? kindOf(data.error_code) : null,
    message: data.error_message,
    before: upload?.preview ?? detail?.input_image_url ?? null,
    thumbnail: detail?.thumbnail_url ?? null,
    result: data.result_image_url,
    detail,
    decision,
    market: detail?.options.preset ?? upload?.options.preset ?? "",
    addedAt: detail === null ? (upload?.addedAt ?? null) : Date.parse(detail.created_at),
    batch: detail?.batch_id ?? upload?.batch ?? null,
  };
}

function phaseOf(status: string, code: string | null): Phase {
  if (status === "completed") return "done";
  if (status === "failed") return code === "cancelled" ? "cancelled" : "failed";
  return status === "processing" ? "working" : "waiting";
}

/** Return the extension of a file of a picture's type, such as `.jpg`. */
export function extensionOf(contentType: string): string {
  return `.${contentType.replace("image/", "").replace("jpeg", "jpg")}`;
}

/** Return the service's verdict on a result that is not ready for use; null if it is ready, or there is no result. */
export function doubtOf(detail: TaskDetail | null): "needs_review" | "failed" | null {
  const verdict = detail?.result?.verdict ?? "ready";
  return verdict === "ready" ? null : verdict;
}
