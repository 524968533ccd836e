/** Files that did not become tasks: listed in this browser until they are dismissed, without their content. */
import { type Readable, Store, type TaskMap } from "@whitebg/client";

import type { ProblemKind } from "./problem";
import { isUnderWay, newestOf, type Upload } from "./uploads";

const STORED = "whitebg.rejections";
/** The newest ones are stored. */
const MOST = 200;

export interface Rejection {
  key: string;
  name: string;
  problem: ProblemKind;
  /** The preset that it was added for. */
  market: string;
  batch: string | null;
  /** Milliseconds since 1970. */
  addedAt: number;
  /** Newest task known when it was added. */
  after: number;
}

interface Stored {
  user: string;
  rejections: readonly Rejection[];
}

/** Those of earlier visits. Uploads of this visit that fail are stored for the next one; those not sent, when the page is left. */
export class Rejections extends Store<readonly Rejection[]> {
  /** Null: not known yet, or unnamed. Nothing is stored then. */
  #user: string | null = null;
  /** Keys of this visit's uploads that are stored. */
  #recorded: ReadonlySet<string> = new Set();

  constructor(
    private readonly uploads: Readable<readonly Upload[]>,
    private readonly tasks: Readable<TaskMap>,
    private readonly storage: Storage,
  ) {
    super([]);
  }

  /** List those of a user's earlier visits; only one user's are stored. */
  restore(user: string | null): void {
    if (user === this.#user) return;
    this.#user = user;
    this.#recorded = new Set();
    const own = new Set(this.uploads.read().map(({ key }) => key));
    this.set(this.#stored().filter(({ key }) => !own.has(key)));
    this.settle();
    this.record();
  }

  /** Store this visit's uploads that failed; forget those that were dismissed or repeated since. */
  readonly record = (): void => {
    this.#write(this.uploads.read().flatMap((upload) => (upload.state === "failed" ? [rejectionOf(upload)] : [])));
  };

  /** Store also the uploads that are not sent, because the page is being left. */
  readonly recordUnsent = (): void => {
    const newest = newestOf(this.tasks.read());
    const lost = this.uploads.read().filter((upload) => upload.state === "failed" || (isUnderWay(upload) && !upload.cancelled));
    this.#write(
      lost.map((upload) =>
        upload.state === "failed"
          ? rejectionOf(upload)
          : { ...rejectionOf(upload), problem: "unsent", after: upload.mayBeTaken ? upload.after : newest },
      ),
    );
  };

  /** Drop unsent ones of which there is a later task: they arrived after all, or were added again. */
  readonly settle = (): void => {
    const unsent = this.read().filter(({ problem }) => problem === "unsent");
    if (unsent.length === 0) return;
    const newest = new Map<string, number>();
    for (const [id, { data }] of this.tasks.read()) {
      newest.set(data.filename ?? "", Math.max(id, newest.get(data.filename ?? "") ?? 0));
    }
    this.#drop(unsent.filter(({ name, after }) => (newest.get(name) ?? 0) > after).map(({ key }) => key));
  };

  /** Dismiss one; no effect if there is none with this key. */
  remove(key: string): void {
    this.#drop([key]);
  }

  /** Forget all, because the user has signed out. */
  clear(): void {
    if (this.#user !== null && parse(this.storage.getItem(STORED))?.user === this.#user) this.storage.removeItem(STORED);
    this.#user = null;
    this.#recorded = new Set();
    this.set([]);
  }

  #drop(keys: readonly string[]): void {
    const dropped = this.read().filter(({ key }) => keys.includes(key));
    if (dropped.length === 0) return;
    this.set(this.read().filter((each) => !dropped.includes(each)));
    this.#store(this.#stored().filter(({ key }) => !keys.includes(key)));
  }

  /** Store the changes of this visit's uploads: other tabs store theirs, and may have dismissed some of these. */
  #write(current: readonly Rejection[]): void {
    const keys = new Set(current.map(({ key }) => key));
    const added = current.filter(({ key }) => !this.#recorded.has(key));
    const removed = new Set([...this.#recorded].filter((key) => !keys.has(key)));
    this.#recorded = keys;
    if (added.length + removed.size > 0) this.#store([...this.#stored().filter(({ key }) => !removed.has(key)), ...added]);
  }

  #stored(): readonly Rejection[] {
    const stored = parse(this.storage.getItem(STORED));
    return stored !== null && stored.user === this.#user ? stored.rejections : [];
  }

  #store(rejections: readonly Rejection[]): void {
    if (this.#user === null) return;
    const stored: Stored = { user: this.#user, rejections: rejections.slice(-MOST) };
    this.storage.setItem(STORED, JSON.stringify(stored));
  }
}

function rejectionOf({ key, file, problem, options, batch, addedAt, after }: Upload): Rejection {
  return { key, name: file.name, problem: problem ?? "internal", market: options.preset, batch, addedAt, after };
}

/** Return null for a text of another form. */
function parse(text: string | null): Stored | null {
  try {
    const stored = JSON.parse(text ?? "null") as Partial<Stored> | null;
    return typeof stored?.user === "string" && Array.isArray(stored.rejections) ? (stored as Stored) : null;
  } catch {
    return null; // Written by something else.
  }
}
