/** The live connection: a WebSocket that resumes by cursor, and polling while there is none to be had. */
import type { Gateway } from "../api/gateway";
import { Store } from "../model/store";
import type { TaskMessage } from "../model/task";
import { backoff, FAILURES_BEFORE_POLLING, policyOf, PROBE_MS } from "./policy";

export type ConnectionState = "connecting" | "connected" | "reconnecting" | "polling" | "closed";

const PING_MS = 30_000;
const PONG_MS = 10_000;
const OPEN_MS = 10_000;

export interface LiveHandlers {
  message(message: TaskMessage): void;
  /** What was held before is void, or was never read: read the history. */
  snapshot(): void;
}

interface Frame {
  type: string;
  id?: string | null;
  mode?: string;
  head?: string;
  retry_after_ms?: number;
}

export class Live extends Store<ConnectionState> {
  #socket: WebSocket | null = null;
  #cursor: string | null = null;
  #failures = 0;
  /** Sockets in a row that failed though the gateway answered: something in between does not let them through. */
  #blocked = 0;
  #greetedYet = false;
  #pollEvery = 0;
  #running = false;
  #advisedDelay: number | null = null;
  #timers = new Map<"connect" | "poll" | "ping" | "deadline", ReturnType<typeof setTimeout>>();

  constructor(
    private readonly gateway: Gateway,
    private readonly token: () => Promise<string>,
    private readonly handlers: LiveHandlers,
  ) {
    super("connecting");
  }

  start(): void {
    this.#running = true;
    this.#failures = 0;
    window.addEventListener("online", this.#soon);
    this.set("connecting");
    void this.#connect();
  }

  stop(): void {
    this.#running = false;
    window.removeEventListener("online", this.#soon);
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    this.#drop();
    this.set("closed");
  }

  async #connect(): Promise<void> {
    this.#drop();
    let token: string;
    try {
      token = await this.token();
      const config = await this.gateway.config();
      if (!this.#running) return;
      this.#pollEvery = config.polling_interval_ms;
      if (config.transport === "polling") {
        this.#startPolling();
        this.#after("connect", PROBE_MS, () => void this.#connect());
        return;
      }
    } catch {
      this.#failed();
      return;
    }
    this.#open(token);
  }

  #open(token: string): void {
    const since = this.#cursor === null ? "" : `?since=${encodeURIComponent(this.#cursor)}`;
    const url = new URL(`/ws/notifications${since}`, location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url, "whitebg.v2");
    this.#socket = socket;
    this.#greetedYet = false;
    this.#after("deadline", OPEN_MS, () => socket.close());
    socket.onopen = () => socket.send(JSON.stringify({ type: "auth", token })); // so the token is in no URL
    socket.onmessage = (event) => {
      if (this.#socket === socket) this.#hear(socket, JSON.parse(String(event.data)) as Frame);
    };
    socket.onclose = (event) => {
      if (this.#socket === socket) this.#closed(event.code);
    };
  }

  #hear(socket: WebSocket, frame: Frame): void {
    this.#clear("deadline");
    if (typeof frame.id === "string") this.#cursor = frame.id;
    switch (frame.type) {
      case "hello":
        this.#greeted(socket);
        break;
      case "task_update":
      case "task_complete":
      case "task_failed":
        this.handlers.message(frame as unknown as TaskMessage);
        break;
      case "sync_end":
        if (frame.head !== undefined) this.#cursor = frame.head;
        if (frame.mode === "snapshot") this.handlers.snapshot();
        break;
      case "token_expiring":
        void this.token().then((token) => socket.send(JSON.stringify({ type: "auth", token })));
        break;
      case "going_away":
        this.#advisedDelay = frame.retry_after_ms ?? null;
        break;
    }
  }

  #greeted(socket: WebSocket): void {
    this.#failures = 0;
    this.#blocked = 0;
    this.#greetedYet = true;
    this.#clear("poll");
    this.set("connected");
    if (this.#cursor === null) this.handlers.snapshot();
    const beat = () => {
      socket.send(JSON.stringify({ type: "ping" }));
      this.#after("deadline", PONG_MS, () => socket.close());
      this.#after("ping", PING_MS, beat);
    };
    this.#after("ping", PING_MS, beat);
  }

  #closed(code: number): void {
    this.#socket = null;
    if (!this.#running) return;
    const policy = policyOf(code);
    if (policy === "stop") this.stop();
    else if (policy === "soon") this.#again(this.#advisedDelay ?? 0);
    else {
      if (!this.#greetedYet) this.#blocked += 1;
      if (this.#blocked >= FAILURES_BEFORE_POLLING) this.#startPolling();
      this.#failed();
    }
    this.#advisedDelay = null;
  }

  #failed(): void {
    if (!this.#running) return;
    this.#failures += 1;
    this.#again(backoff(this.#failures));
  }

  #again(delay: number): void {
    this.#clear("deadline");
    this.#clear("ping");
    if (this.value === "connected") this.set("reconnecting");
    this.#after("connect", delay, () => void this.#connect());
  }

  #startPolling(): void {
    if (!this.#timers.has("poll")) void this.#poll();
  }

  /** Ask what was missed, and again at the interval that the gateway wants. A socket that opens ends it. */
  async #poll(): Promise<void> {
    this.#after("poll", this.#pollEvery, () => void this.#poll());
    try {
      let more = true;
      while (more) {
        const answer = await this.gateway.sync(this.#cursor);
        if (!this.#running || this.value === "connected") return;
        const first = this.#cursor === null;
        for (const message of answer.messages) this.handlers.message(message);
        this.#cursor = answer.cursor;
        if (first || answer.mode === "snapshot") this.handlers.snapshot();
        more = answer.has_more;
      }
      this.set("polling");
    } catch {
      if (this.#running && this.value === "polling") this.set("reconnecting");
    }
  }

  readonly #soon = (): void => {
    if (this.value === "connected") return;
    this.#after("connect", 0, () => void this.#connect());
  };

  #drop(): void {
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  #after(name: "connect" | "poll" | "ping" | "deadline", delay: number, act: () => void): void {
    this.#clear(name);
    this.#timers.set(name, setTimeout(act, delay));
  }

  #clear(name: "connect" | "poll" | "ping" | "deadline"): void {
    clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
  }
}
