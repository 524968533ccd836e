/** Photos on their way to the gateway: few at a time, in order, and again by themselves where that helps. */
import type { Gateway, Options } from "../api/gateway";
import { ApiError, type ProblemKind } from "../api/problem";
import { Store } from "./store";
import type { TaskDetail } from "./task";

const AT_ONCE = 3;
const MAX_BYTES = 25 * 1024 * 1024;
const RETRY_S = 3;

export interface Upload {
  /** Also the idempotency key: however often it is sent, it is one task. */
  key: string;
  file: File;
  options: Options;
  /** Object URL of the photo. */
  preview: string;
  state: "waiting" | "sending" | "held" | "failed" | "sent";
  problem: ProblemKind | null;
  taskId: number | null;
}

export class Uploads extends Store<readonly Upload[]> {
  #aborts = new Map<string, AbortController>();
  #heldUntil = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly gateway: Gateway,
    private readonly onTask: (task: TaskDetail) => void,
  ) {
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
        taskId: null,
      };
    });
    this.set([...this.value, ...added]);
    this.#pump();
  }

  /** Forget one that was not sent, or stop sending it. */
  remove(key: string): void {
    this.#aborts.get(key)?.abort();
    const upload = this.value.find((each) => each.key === key);
    if (upload !== undefined) URL.revokeObjectURL(upload.preview);
    this.set(this.value.filter((each) => each.key !== key));
    this.#pump();
  }

  /** Send one that failed, again. */
  again(key: string): void {
    this.#change(key, { state: "waiting", problem: null });
    this.#pump();
  }

  /** Do not wait any longer: the network or the gateway is back. */
  readonly wake = (): void => {
    this.#heldUntil = 0;
    for (const upload of this.value) if (upload.state === "held") this.#change(upload.key, { state: "waiting" });
    this.#pump();
  };

  #pump(): void {
    clearTimeout(this.#timer);
    const pause = this.#heldUntil - Date.now();
    if (pause > 0) {
      this.#timer = setTimeout(this.wake, pause);
      return;
    }
    const free = AT_ONCE - this.value.filter((each) => each.state === "sending").length;
    for (const upload of this.value.filter((each) => each.state === "waiting").slice(0, Math.max(0, free))) {
      void this.#send(upload);
    }
  }

  async #send(upload: Upload): Promise<void> {
    const abort = new AbortController();
    this.#aborts.set(upload.key, abort);
    this.#change(upload.key, { state: "sending", problem: null });
    try {
      const task = await this.gateway.submit(upload.file, upload.options, upload.key, abort.signal);
      this.#change(upload.key, { state: "sent", taskId: task.task_id });
      this.onTask(task);
    } catch (error) {
      if (!abort.signal.aborted) await this.#failed(upload, error);
    } finally {
      this.#aborts.delete(upload.key);
      this.#pump();
    }
  }

  async #failed(upload: Upload, error: unknown): Promise<void> {
    if (!(error instanceof ApiError)) {
      this.#change(upload.key, { state: "failed", problem: "internal" });
    } else if (!error.passes) {
      this.#change(upload.key, { state: "failed", problem: error.kind });
    } else if (error.status === 0 && !(await readable(upload.file))) {
      // The browser reports a file that has changed on disk as a network error.
      this.#change(upload.key, { state: "failed", problem: "gone" });
    } else {
      this.#heldUntil = Date.now() + (error.retryAfter ?? RETRY_S) * 1000;
      this.#change(upload.key, { state: "held", problem: error.kind });
    }
  }

  #change(key: string, change: Partial<Upload>): void {
    this.set(this.value.map((each) => (each.key === key ? { ...each, ...change } : each)));
  }
}

async function readable(file: File): Promise<boolean> {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}
