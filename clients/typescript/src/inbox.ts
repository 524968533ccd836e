/** Merges the messages of both transports (socket, poll): log position, duplicates, order, snapshots. */
import type { SyncAnswer, ServerMessage, TaskMessage } from "./messages.ts";
import { Seen } from "./seen.ts";
import type { Change, Tasks } from "./tasks.ts";

export interface InboxHandlers {
  /** Receives every task message that is new, even if it changes nothing. */
  onMessage(message: TaskMessage, live: boolean): void;
  /** `quiet`: history from before the client connected, which only handlers of that very task receive. */
  onChange(change: Change, quiet: boolean): void;
  /** The tasks have been replaced by those of a snapshot. */
  onSnapshot(): void;
  /** Everything is being discarded; responses in progress belong to the previous user. */
  onForget(): void;
}

export class Inbox {
  readonly #tasks: Tasks;
  readonly #handlers: InboxHandlers;
  #seen = new Seen();
  #owner: string | null = null;
  #cursor: string | null = null;
  #sync: SyncAnswer["mode"] | null = null;
  /** Messages of the snapshot in progress, applied together when it is complete. */
  #snapshot: TaskMessage[] = [];
  #quiet = false;

  constructor(tasks: Tasks, handlers: InboxHandlers) {
    this.#tasks = tasks;
    this.#handlers = handlers;
  }

  /** Log position to resume from; null before the first message. */
  get cursor(): string | null {
    return this.#cursor;
  }

  /** Return whether this user owns the messages received so far; the first user becomes their owner. */
  ownedBy(user: string): boolean {
    this.#owner ??= user;
    return this.#owner === user;
  }

  /** Continue from a log position whose tasks are known; no effect if there is a position already. */
  startAt(cursor: string): void {
    if (this.#cursor !== null) return;
    this.#cursor = cursor;
    this.#handlers.onSnapshot();
  }

  /** Discard everything, as at the start. */
  forget(): void {
    this.interrupted();
    this.#seen = new Seen();
    this.#owner = this.#cursor = null;
    this.#handlers.onForget();
    this.#tasks.clear();
  }

  /** Process a message of the socket. */
  hear(message: ServerMessage): void {
    switch (message.type) {
      case "task_update":
      case "task_complete":
      case "task_failed":
        this.#take(message);
        break;
      case "sync_begin":
        this.#begin(message.mode);
        break;
      case "sync_end":
        this.#end(message.mode, message.head);
        break;
      case "bookmark":
        this.#cursor = message.id;
        break;
    }
  }

  /** Process one page of a poll. */
  receive(answer: SyncAnswer): void {
    this.#begin(answer.mode);
    for (const message of answer.messages) this.#take(message);
    this.#end(answer.mode, answer.cursor);
  }

  /** The transport was lost: discard an incomplete snapshot. */
  interrupted(): void {
    this.#sync = null;
    this.#snapshot = [];
    this.#quiet = false;
    this.#tasks.dropSnapshot();
  }

  #begin(mode: "replay" | "snapshot"): void {
    this.#sync = mode;
    this.#snapshot = [];
    this.#quiet = this.#cursor === null;
    if (mode === "snapshot") this.#tasks.beginSnapshot();
  }

  #end(mode: "replay" | "snapshot", head: string): void {
    const [messages, quiet] = [this.#snapshot, this.#quiet];
    this.#sync = null;
    this.#snapshot = [];
    this.#quiet = false;
    this.#cursor = head;
    if (mode !== "snapshot") return;
    // The last message has the snapshot's id, which may have been seen with another message.
    this.#seen.add(head);
    const changes = messages.map((message) => this.#tasks.apply(message));
    const seen = this.#seen;
    this.#tasks.endSnapshot();
    this.#handlers.onSnapshot();
    messages.forEach((message, at) => {
      if (this.#seen !== seen) return; // A listener called `forget`.
      this.#handlers.onMessage(message, false);
      const change = changes[at] ?? null;
      if (change !== null) this.#handlers.onChange(change, quiet);
    });
  }

  #take(message: TaskMessage): void {
    if (this.#sync === "snapshot") return void this.#snapshot.push(message);
    if (typeof message.id === "string") {
      if (!this.#seen.add(message.id)) return;
      this.#cursor = message.id;
    }
    const seen = this.#seen;
    this.#handlers.onMessage(message, this.#sync === null);
    if (this.#seen !== seen) return;
    const change = this.#tasks.apply(message);
    // The end of a batch changes no task.
    if (change !== null && !message.data.batch) this.#handlers.onChange(change, this.#quiet);
  }
}
