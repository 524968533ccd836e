/** One WebSocket from opening to end: authenticates, sends heartbeats and acks, and reports its end once. */
import type { Environment, WebSocketConstructor } from "./environment.ts";
import { type ClientMessage, parseFrame, type ServerMessage } from "./messages.ts";
import { Timers } from "./timers.ts";

export const PROTOCOL = "whitebg.v2";
/** No close frame: the network failed, or a timeout expired. */
export const ABNORMAL = 1006;

const OPEN_MS = 10_000;
const PING_MS = 30_000;
const PONG_MS = 10_000;
/** An ack confirms everything before it, so one for a burst is enough; the gateway waits 10 s for it. */
const ACK_MS = 250;

export interface SocketEnd {
  code: number;
  reason: string;
}

export interface SocketHandlers {
  onMessage(message: ServerMessage): void;
  /** Called once, unless `close` was called. */
  onEnd(end: SocketEnd): void;
}

export class Socket {
  readonly #socket: WebSocket;
  readonly #timers: Timers<"silence" | "ping" | "ack">;
  readonly #handlers: SocketHandlers;
  #unacked: string | null = null;
  #over = false;

  /** `token` is sent in the first frame, so that it appears in no URL and no access log. */
  constructor(
    constructor: WebSocketConstructor,
    url: URL,
    token: string,
    environment: Pick<Environment, "clock">,
    handlers: SocketHandlers,
  ) {
    this.#timers = new Timers(environment.clock);
    this.#handlers = handlers;
    const socket = new constructor(url, PROTOCOL);
    this.#socket = socket;
    socket.onopen = () => this.send({ type: "auth", token });
    socket.onmessage = (event: MessageEvent<unknown>) => this.#hear(event.data);
    socket.onclose = (event) => this.#end({ code: event.code, reason: event.reason });
    socket.onerror = () => undefined; // A close event with the details follows.
    this.#endIfSilentFor(OPEN_MS);
  }

  send(message: ClientMessage): void {
    if (this.#socket.readyState === 1) this.#socket.send(JSON.stringify(message));
  }

  /** Acknowledge a message and all before it. */
  ack(id: string): void {
    this.#unacked = id;
    if (!this.#timers.has("ack")) this.#timers.set("ack", ACK_MS, () => this.#flushAck());
  }

  /** Send a ping; without a response the socket ends. Sent automatically every 30 s. */
  ping(): void {
    this.send({ type: "ping" });
    this.#endIfSilentFor(PONG_MS);
    this.#timers.set("ping", PING_MS, () => this.ping());
  }

  /** Close the socket; no handler is called afterwards. */
  close(): void {
    if (this.#over) return;
    this.#flushAck();
    this.#leave();
  }

  #hear(data: unknown): void {
    if (this.#over) return;
    this.#timers.clear("silence");
    const message = parseFrame(data);
    if (message === null) return;
    if (message.type === "hello") this.#timers.set("ping", PING_MS, () => this.ping());
    this.#handlers.onMessage(message);
  }

  #endIfSilentFor(milliseconds: number): void {
    this.#timers.set("silence", milliseconds, () => this.#end({ code: ABNORMAL, reason: "the server fell silent" }));
  }

  #flushAck(): void {
    if (this.#unacked !== null) this.send({ type: "ack", message_id: this.#unacked });
    this.#unacked = null;
  }

  #end(end: SocketEnd): void {
    if (this.#over) return;
    this.#leave();
    this.#handlers.onEnd(end);
  }

  #leave(): void {
    this.#over = true;
    this.#timers.clearAll();
    this.#socket.close(1000);
  }
}
