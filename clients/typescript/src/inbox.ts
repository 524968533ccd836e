/** Where messages of every way (socket or poll) come together: resume position, repetitions, order, snapshots. */
import type { SyncAnswer, ServerMessage, TaskMessage } from "./messages.ts";
import { Seen } from "./seen.ts";
import type { Change, Tasks } from "./tasks.ts";

export interface InboxHandlers {
  /** Every task message that was not heard before, even if it changes nothing. */
  onMessage(message: TaskMessage, live: boolean): void;
  /** `quiet`: history from before the client came, of which only those who follow the very task want to hear. */
  onChange(change: Change, quiet: boolean): void;
  /** What was held before is void: the tasks are those of the snapshot. */
  onSnapshot(): void;
}

export class Inbox {
  readonly #tasks: Tasks;
  readonly #handlers: InboxHandlers;
  #seen = new Seen();
  #owner: string | null = null;
  #cursor: string | null = null;
  #sync: SyncAnswer["mode"] | null = null;
  #quiet = false;

  constructor(tasks: Tasks, handlers: InboxHandlers) {
    this.#tasks = tasks;
    this.#handlers = handlers;
  }

  /** Where to resume; null until anything was heard. */
  get cursor(): string | null {
    return this.#cursor;
  }

  /** Return whether what is held, if anything, is of this user. */
  ownedBy(user: string): boolean {
    this.#owner ??= user;
    return this.#owner === user;
  }

  /** Hold nothing any more, as at the start. */
  forget(): void {
    this.interrupted();
    this.#seen = new Seen();
    this.#owner = this.#cursor = null;
    this.#tasks.clear();
  }

  /** Take in what a socket said. */
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

  /** Take in one page of a poll. */
  receive(answer: SyncAnswer): void {
    this.#begin(answer.mode);
    for (const message of answer.messages) this.#take(message);
    this.#end(answer.mode, answer.cursor);
  }

  /** The way that the messages came is gone; half a snapshot is none. */
  interrupted(): void {
    this.#sync = null;
    this.#quiet = false;
    this.#tasks.dropSnapshot();
  }

  #begin(mode: "replay" | "snapshot"): void {
    this.#sync = mode;
    this.#quiet = this.#cursor === null;
    if (mode === "snapshot") this.#tasks.beginSnapshot();
  }

  #end(mode: "replay" | "snapshot", head: string): void {
    this.#sync = null;
    this.#quiet = false;
    this.#cursor = head;
    if (mode !== "snapshot") return;
    this.#tasks.endSnapshot();
    this.#handlers.onSnapshot();
  }

  #take(message: TaskMessage): void {
    if (typeof message.id === "string") {
      // Within a snapshot the last message has the id of the whole, which may have been seen with another message.
      if (!this.#seen.add(message.id) && this.#sync !== "snapshot") return;
      this.#cursor = message.id;
    }
    this.#handlers.onMessage(message, this.#sync === null);
    const change = this.#tasks.apply(message);
    if (change !== null) this.#handlers.onChange(change, this.#quiet);
  }
}
