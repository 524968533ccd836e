/** Decisions on results: the service records them; here are those that are on their way to it. */
import { type Readable, type Review, Store, type TaskMap } from "@whitebg/client";

import { patiently } from "./batch";

export type Decision = Exclude<Review, "open">;
export type DecisionMap = ReadonlyMap<number, Review>;

/** Records decisions; at most `MOST_SENT` tasks at once. */
export type SendReview = (taskIds: readonly number[], review: Review) => Promise<unknown>;

const MOST_SENT = 1000;

interface Pending {
  readonly review: Review;
  /** Whether the service has confirmed it; its message may still be on its way. */
  isRecorded: boolean;
}

/** Shown at once, sent in order, repeated while the service is unavailable, and dropped once the tasks have them. */
export class Decisions extends Store<DecisionMap> {
  #pending = new Map<number, Pending>();
  #isSending = false;

  /** `onFailure` receives the error of decisions that the service rejected; they are dropped. */
  constructor(
    private readonly send: SendReview,
    private readonly tasks: Readable<TaskMap>,
    private readonly onFailure: (error: unknown) => void,
  ) {
    super(new Map());
  }

  decide(taskIds: readonly number[], review: Review): void {
    for (const id of taskIds) this.#pending.set(id, { review, isRecorded: false });
    this.#publish();
    void this.#sendAll();
  }

  /** Discard all, because another user has signed in. */
  clear(): void {
    this.#pending = new Map();
    this.#publish();
  }

  /** Drop decisions that the tasks have by now. After a snapshot, drop all recorded ones: it has later states. */
  readonly settle = (isSnapshot = false): void => {
    const tasks = this.tasks.read();
    const before = this.#pending.size;
    for (const [id, { review, isRecorded }] of this.#pending) {
      const known = tasks.get(id)?.data;
      if (isRecorded && (isSnapshot || known === undefined || known.review === review)) this.#pending.delete(id);
    }
    if (this.#pending.size < before) this.#publish();
  };

  async #sendAll(): Promise<void> {
    if (this.#isSending) return;
    this.#isSending = true;
    for (let part = this.#next(); part.length > 0; part = this.#next()) await this.#sendPart(part);
    this.#isSending = false;
  }

  async #sendPart(part: readonly (readonly [number, Pending])[]): Promise<void> {
    const review = part[0]?.[1].review ?? "open";
    const ids = part.map(([id]) => id);
    try {
      await patiently(() => this.send(ids, review), Infinity);
      for (const [, pending] of part) pending.isRecorded = true;
      this.settle();
    } catch (error) {
      // Later decisions on the same tasks are other entries, and stay.
      for (const [id, pending] of part) if (this.#pending.get(id) === pending) this.#pending.delete(id);
      this.#publish();
      this.onFailure(error);
    }
  }

  /** Return tasks with the same decision that is not recorded yet, the earliest one. */
  #next(): (readonly [number, Pending])[] {
    const open = [...this.#pending].filter(([, { isRecorded }]) => !isRecorded);
    return open.filter(([, { review }]) => review === open[0]?.[1].review).slice(0, MOST_SENT);
  }

  #publish(): void {
    this.set(new Map([...this.#pending].map(([id, { review }]) => [id, review])));
  }
}

const STORED = "whitebg.decisions";

/** Send the decisions that earlier versions of the page stored in this browser, and remove them. */
export async function sendStored(storage: Storage, send: SendReview): Promise<void> {
  const text = storage.getItem(STORED);
  if (text === null) return;
  const stored = parseStored(text);
  for (const decision of ["accepted", "rejected"] as const) {
    const ids = stored.filter((entry) => entry[1] === decision).map(([id]) => id);
    for (let at = 0; at < ids.length; at += MOST_SENT) await send(ids.slice(at, at + MOST_SENT), decision);
  }
  storage.removeItem(STORED);
}

function parseStored(text: string): [number, Decision][] {
  try {
    const stored: unknown = JSON.parse(text);
    return Array.isArray(stored) ? (stored as unknown[]).filter(isEntry) : [];
  } catch {
    return []; // Written by something else.
  }
}

function isEntry(value: unknown): value is [number, Decision] {
  if (!Array.isArray(value)) return false;
  const [id, decision] = value as unknown[];
  return Number.isSafeInteger(id) && (id as number) > 0 && (decision === "accepted" || decision === "rejected");
}
