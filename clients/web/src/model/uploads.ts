/** Uploads to the gateway: few at a time, in order, repeated automatically if the failure may be temporary. */
import { ApiError, Store, type SubmitOptions, type TaskDetail, type TaskMap, uuid, type VersionOptions } from "@whitebg/client";

import { SignInNeeded } from "../session/session";
import { patiently } from "./batch";
import { formOf, type Options, outputsOf } from "./options";
import { type ProblemKind, problemOf } from "./problem";

const AT_ONCE = 3;
const MAX_BYTES = 25 * 1024 * 1024;
const RETRY_MS = 3_000;
/** A user has to sign in first; the connection that follows resumes held uploads. */
const SIGN_IN_MS = 60_000;

export interface Upload {
  /** Also the idempotency key, so that repeated uploads create one task. */
  key: string;
  file: File;
  options: Options;
  /** Name of the batch of photos that were added together; null for a single one. */
  batch: string | null;
  /** Object URL of the photo. */
  preview: string;
  state: "waiting" | "sending" | "held" | "failed" | "sent";
  problem: ProblemKind | null;
  /** Whether the server may have created its task, although no response has confirmed it. */
  mayBeTaken: boolean;
  /** Cancelled by the user. If the server may have its task, the upload is completed to get the id to cancel. */
  cancelled: boolean;
  /** Milliseconds since 1970. */
  addedAt: number;
  /** Newest task known before it was added or, once it was sent, before that; its own task is newer. */
  after: number;
  taskId: number | null;
}

/** The part of the client that uploads need. */
export interface Gate {
  submit(photo: File, options: SubmitOptions): Promise<TaskDetail>;
  /** Make the photo of a task for another market, too. */
  createVersion(taskId: number, options: VersionOptions): Promise<TaskDetail>;
  /** Let no more photos be added to a batch, so that it ends with the last one. */
  closeBatch(batch: string): Promise<unknown>;
  /** Cancel a task; no effect if it has ended already. */
  cancel(taskId: number): Promise<TaskDetail>;
  /** Return the id of the newest known task; 0 if there is none. */
  newest(): number;
}

export class Uploads extends Store<readonly Upload[]> {
  /** On the monotonic clock, because the device's time of day may be changed. */
  #heldUntil = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Batches to which this page may still add photos. A page that is closed before leaves it to the service to close them. */
  #openBatches = new Set<string>();
  /** The batch that follows a closed one. */
  #following = new Map<string, string>();
  /** Tasks of uploads whose further pictures were refused in a closed batch, by key. */
  #taken = new Map<string, number>();

  constructor(private readonly gate: Gate) {
    super([]);
  }

  add(files: readonly File[], options: Options): void {
    const batch = files.length > 1 ? uuid() : null;
    const added = files.map<Upload>((file, at) => {
      const tooLarge = file.size > MAX_BYTES;
      return {
        key: uuid(),
        file,
        options,
        batch,
        preview: URL.createObjectURL(file),
        state: tooLarge ? "failed" : "waiting",
        problem: tooLarge ? "image_too_large" : null,
        mayBeTaken: false,
        cancelled: false,
        addedAt: Date.now() + at / 1000, // In their order, also where they are read from storage in another.
        after: this.gate.newest(),
        taskId: null,
      };
    });
    this.set([...this.read(), ...added]);
    if (batch !== null) this.#openBatches.add(batch);
    this.#pump();
  }

  /** Cancel an upload: remove it if the server can't have its task, else have that task cancelled. */
  cancel(key: string): void {
    const upload = this.#find(key);
    if (upload === undefined || upload.state === "sent") return;
    if (!upload.mayBeTaken) this.remove(key);
    else this.#change(key, { cancelled: true, problem: null });
  }

  /** Remove an upload from the list. */
  remove(key: string): void {
    const upload = this.#find(key);
    if (upload !== undefined) URL.revokeObjectURL(upload.preview);
    this.set(this.read().filter((each) => each.key !== key));
    this.#pump();
  }

  /** Remove all uploads, because another user has signed in. */
  clear(): void {
    for (const { preview } of this.read()) URL.revokeObjectURL(preview);
    this.#openBatches.clear();
    this.#following.clear();
    this.#taken.clear();
    this.set([]);
  }

  /** Repeat a failed upload, or revoke a cancellation that is still in progress. */
  again(key: string): void {
    const upload = this.#find(key);
    if (upload?.cancelled === true) this.#change(key, { cancelled: false });
    else if (upload?.state === "failed") this.#change(key, { state: "waiting", problem: null });
    this.#pump();
  }

  /** Resume held uploads now, because the network or the gateway is available again. */
  readonly wake = (): void => {
    this.#heldUntil = 0;
    if (this.read().some(isHeld)) {
      this.set(this.read().map((each) => (isHeld(each) ? { ...each, state: "waiting" } : each)));
    }
    this.#pump();
  };

  #pump(): void {
    clearTimeout(this.#timer);
    this.#closeBatches();
    const pause = this.#heldUntil - performance.now();
    if (pause > 0) {
      this.#timer = setTimeout(this.wake, pause);
      return;
    }
    const free = AT_ONCE - this.read().filter((each) => each.state === "sending").length;
    if (free <= 0) return;
    const next = this.read().filter((each) => each.state === "waiting");
    for (const upload of next.slice(0, free)) void this.#send(upload);
  }

  /** Close the batches whose photos are all sent, or will not be. */
  #closeBatches(): void {
    const pending = new Set(this.read().filter(isUnderWay).map(({ batch }) => batch));
    for (const batch of this.#openBatches) {
      if (pending.has(batch)) continue;
      this.#openBatches.delete(batch);
      // Refused where the service has no task of it; the service itself closes it if this never succeeds.
      patiently(() => this.gate.closeBatch(batch), Infinity).catch(() => undefined);
    }
  }

  /** Move the photos that are not sent yet to a new batch: theirs was closed during a long interruption, or a retry. */
  #renewBatch(closed: string, refused: string): void {
    const batch = this.#following.get(closed) ?? uuid();
    this.#following.set(closed, batch);
    // Of the others, the server may have some already, whose keys stand for a request with the closed batch.
    const moved = (each: Upload): boolean =>
      each.batch === closed && each.taskId === null && (each.key === refused || !each.mayBeTaken);
    this.#openBatches.add(batch);
    this.set(this.read().map((each) => (moved(each) ? { ...each, batch } : each)));
  }

  async #send(upload: Upload): Promise<void> {
    const { key, file, options, batch } = upload;
    const batchId = batch === null ? {} : { batchId: batch };
    // A repeated upload has the task of the first one.
    const after = upload.mayBeTaken ? upload.after : this.gate.newest();
    this.#change(key, { state: "sending", problem: null, mayBeTaken: true, after });
    let taskId: number | null = null;
    try {
      const [first = options, ...others] = outputsOf(options);
      taskId =
        this.#taken.get(key) ?? (await this.gate.submit(file, { ...formOf(first), ...batchId, idempotencyKey: key })).task_id;
      if (this.#find(key)?.cancelled === true) await this.gate.cancel(taskId);
      else for (const other of others) {
        await this.gate.createVersion(taskId, { ...formOf(other), ...batchId, idempotencyKey: `${key} ${other.preset}` });
      }
      this.#taken.delete(key);
      this.#change(key, { state: "sent", taskId });
    } catch (error) {
      await this.#failed(upload, error, taskId);
    }
    this.#pump();
  }

  /** `taskId`: the upload succeeded, and a later call failed. */
  async #failed({ key, file, batch, mayBeTaken }: Upload, error: unknown, taskId: number | null): Promise<void> {
    if (batch !== null && error instanceof ApiError && error.code === "batch_closed") {
      if (taskId !== null) this.#taken.set(key, taskId);
      if (this.#find(key)?.batch === batch) this.#renewBatch(batch, key);
      this.#change(key, { state: "waiting" });
      return;
    }
    const unanswered = error instanceof ApiError && (error.status === 0 || error.status > 501);
    const unsure = taskId !== null || unanswered || mayBeTaken;
    const passes = error instanceof SignInNeeded || (error instanceof ApiError && error.retryable);
    if (this.#find(key)?.cancelled === true && !(unsure && passes)) {
      this.remove(key); // The server does not have it.
    } else if (!passes) {
      this.#change(key, { state: "failed", problem: problemOf(error), mayBeTaken: false });
    } else if (unanswered && !(await readable(file))) {
      // The browser reports a file that has changed on disk as a network error.
      this.#change(key, { state: "failed", problem: "gone", mayBeTaken: false });
    } else {
      const pause = error instanceof ApiError ? (error.retryAfterMs ?? RETRY_MS) : SIGN_IN_MS;
      this.#heldUntil = performance.now() + pause;
      this.#change(key, { state: "held", problem: problemOf(error), mayBeTaken: unsure });
    }
  }

  #find(key: string): Upload | undefined {
    return this.read().find((each) => each.key === key);
  }

  #change(key: string, change: Partial<Upload>): void {
    this.set(this.read().map((each) => (each.key === key ? { ...each, ...change } : each)));
  }
}

/** Return the id of the newest task; 0 if there is none. */
export function newestOf(tasks: TaskMap): number {
  return [...tasks.keys()].reduce((a, b) => Math.max(a, b), 0);
}

/** Whether the upload is lost if the page is closed. */
export function isUnderWay({ state }: Upload): boolean {
  return state === "waiting" || state === "sending" || state === "held";
}

function isHeld({ state }: Upload): boolean {
  return state === "held";
}

async function readable(file: File): Promise<boolean> {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}
