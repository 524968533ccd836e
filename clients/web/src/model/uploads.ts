/** Photos on their way to the gateway: few at a time, in order, and again by themselves where that helps. */
import { ApiError, Store, type SubmitOptions, type TaskDetail } from "@whitebg/client";

import { SignInNeeded } from "../session/session";
import { formOf, type Options } from "./options";
import { type ProblemKind, problemOf } from "./problem";

const AT_ONCE = 3;
const MAX_BYTES = 25 * 1024 * 1024;
const RETRY_MS = 3_000;
/** A person has to sign in first, and the connection that follows wakes what is held. */
const SIGN_IN_MS = 60_000;

export interface Upload {
  /** Also the idempotency key: however often it is sent, it is one task. */
  key: string;
  file: File;
  options: Options;
  /** Object URL of the photo. */
  preview: string;
  state: "waiting" | "sending" | "held" | "failed" | "sent";
  problem: ProblemKind | null;
  /** Whether the server may have made a task of it, though no answer has told so. */
  mayBeTaken: boolean;
  /** Wanted no more. If the server may have taken it, it is sent to its end, to learn which task is to be cancelled. */
  cancelled: boolean;
  /** Tasks up to this one were known before it was sent, so they are not its own. */
  after: number;
  taskId: number | null;
}

/** What uploads need of the client. */
export interface Gate {
  submit(photo: File, options: SubmitOptions): Promise<TaskDetail>;
  /** Cancel a task; nothing to do if it has ended already. */
  cancel(taskId: number): Promise<TaskDetail>;
  /** The newest task that is known; 0 if there is none. */
  newest(): number;
}

export class Uploads extends Store<readonly Upload[]> {
  #heldUntil = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly gate: Gate) {
    super([]);
  }

  add(files: readonly File[], options: Options): void {
    const added = files.map<Upload>((file) => {
      const tooLarge = file.size > MAX_BYTES;
      return {
        key: crypto.randomUUID(),
        file,
        options,
        preview: URL.createObjectURL(file),
        state: tooLarge ? "failed" : "waiting",
        problem: tooLarge ? "image_too_large" : null,
        mayBeTaken: false,
        cancelled: false,
        after: 0,
        taskId: null,
      };
    });
    this.set([...this.read(), ...added]);
    this.#pump();
  }

  /** Do not make it: forget one that the server can't have, see to it that the server forgets any other. */
  cancel(key: string): void {
    const upload = this.#find(key);
    if (upload === undefined || upload.state === "sent") return;
    if (!upload.mayBeTaken) this.remove(key);
    else this.#change(key, { cancelled: true, problem: null });
  }

  /** Forget one that failed. */
  remove(key: string): void {
    const upload = this.#find(key);
    if (upload !== undefined) URL.revokeObjectURL(upload.preview);
    this.set(this.read().filter((each) => each.key !== key));
    this.#pump();
  }

  /** Send one that failed, again; or want one after all whose cancelling is not through. */
  again(key: string): void {
    const upload = this.#find(key);
    if (upload?.cancelled === true) this.#change(key, { cancelled: false });
    else if (upload?.state === "failed") this.#change(key, { state: "waiting", problem: null });
    this.#pump();
  }

  /** Do not wait any longer: the network or the gateway is back. */
  readonly wake = (): void => {
    this.#heldUntil = 0;
    if (this.read().some(isHeld)) {
      this.set(this.read().map((each) => (isHeld(each) ? { ...each, state: "waiting" } : each)));
    }
    this.#pump();
  };

  #pump(): void {
    clearTimeout(this.#timer);
    const pause = this.#heldUntil - Date.now();
    if (pause > 0) {
      this.#timer = setTimeout(this.wake, pause);
      return;
    }
    const free = AT_ONCE - this.read().filter((each) => each.state === "sending").length;
    if (free <= 0) return;
    const next = this.read().filter((each) => each.state === "waiting");
    for (const upload of next.slice(0, free)) void this.#send(upload);
  }

  async #send(upload: Upload): Promise<void> {
    const { key, file, options } = upload;
    // A second time it is the first time's task.
    const after = upload.mayBeTaken ? upload.after : this.gate.newest();
    this.#change(key, { state: "sending", problem: null, mayBeTaken: true, after });
    let taskId: number | null = null;
    try {
      taskId = (await this.gate.submit(file, { ...formOf(options), idempotencyKey: key })).task_id;
      if (this.#find(key)?.cancelled === true) await this.gate.cancel(taskId);
      this.#change(key, { state: "sent", taskId });
    } catch (error) {
      await this.#failed(upload, error, taskId !== null);
    }
    this.#pump();
  }

  /** `isTaken`: it is cancelling its task that failed. */
  async #failed({ key, file, mayBeTaken }: Upload, error: unknown, isTaken: boolean): Promise<void> {
    const unanswered = error instanceof ApiError && (error.status === 0 || error.status > 501);
    const unsure = isTaken || unanswered || mayBeTaken;
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
      this.#heldUntil = Date.now() + pause;
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

/** Whether the page is still needed for it. */
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
