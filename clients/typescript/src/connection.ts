/** Selects the transport of updates: a WebSocket where one can be opened, polling otherwise. */
import type { Address } from "./address.ts";
import { backoff, BACKOFF } from "./backoff.ts";
import { mayPoll, policyOf, retryAfterOf, TOKEN_REFUSED } from "./closing.ts";
import type { Environment } from "./environment.ts";
import type { ClientConfig } from "./http.ts";
import type { Inbox } from "./inbox.ts";
import type { ServerMessage, SyncAnswer } from "./messages.ts";
import { Poller } from "./poller.ts";
import { ApiError } from "./problem.ts";
import type { Report } from "./report.ts";
import { ABNORMAL, Socket, type SocketEnd } from "./socket.ts";
import { Store } from "./store.ts";
import { Timers } from "./timers.ts";

/**
 * - `connecting`: the first attempt is in progress;
 * - `connected`: the WebSocket is open;
 * - `reconnecting`: the connection was lost; another attempt is scheduled or in progress;
 * - `polling`: updates are polled; a WebSocket is still tried at intervals;
 * - `closed`: no attempt is made, because none was requested or the gateway refused the connection for good.
 */
export type ConnectionState = "connecting" | "connected" | "reconnecting" | "polling" | "closed";

export interface ConnectionStatus {
  readonly state: ConnectionState;
  /** Failed attempts since the last success. */
  readonly failures: number;
  /** Why the last attempt or connection ended; null if there is no problem. */
  readonly problem: string | null;
  /** Close code of the last WebSocket; null if there was none. */
  readonly closeCode: number | null;
  /** False while connected to a gateway whose service is unavailable: tasks make no progress. */
  readonly serviceAvailable: boolean;
}

export interface ConnectionOptions {
  address: Address;
  /** Returns the session's token within the timeout. */
  token: () => Promise<string>;
  onTokenRefused: ((token: string) => void) | undefined;
  config: () => Promise<ClientConfig>;
  sync: (since: string | null) => Promise<SyncAnswer>;
  /** Fetches the tasks of the first connection, in place of a snapshot of all. */
  firstTasks: (() => Promise<void>) | undefined;
  environment: Environment;
  inbox: Inbox;
  longestBackoffMs: number;
  /** Polling starts after this many consecutive sockets that do not open although the gateway responds. */
  failuresBeforePolling: number;
  /** Called after the gateway has reported a change of the whole queue. */
  onQueueChange: () => void;
  /** Receives the errors of listeners. */
  report: Report;
}

/** Interval at which a client that is configured to poll requests the configuration again. */
const PROBE_MS = 30_000;
/** Used until the gateway has sent its polling interval. */
const POLLING_INTERVAL_MS = 5_000;
const IDLE: ConnectionStatus = { state: "closed", failures: 0, problem: null, closeCode: null, serviceAvailable: true };

export class Connection extends Store<ConnectionStatus> {
  readonly #options: ConnectionOptions;
  readonly #timers: Timers<"attempt">;
  readonly #poller: Poller;
  #attempt: object | null = null;
  #socket: Socket | null = null;
  #greeted = false;
  /** The latest token sent to the socket. */
  #token = "";
  /** Consecutive sockets that never opened: an intermediary passes requests but blocks WebSockets. */
  #blocked = 0;
  #pollingInterval = POLLING_INTERVAL_MS;
  #comeBackAfter = 0;
  /** Whether the server set the time of the next attempt, which is then not made earlier. */
  #appointed = false;
  #watchesQueue = false;

  constructor(options: ConnectionOptions) {
    super(IDLE, options.report);
    this.#options = options;
    this.#timers = new Timers(options.environment.clock);
    this.#poller = new Poller(options.environment.clock, options.sync, {
      since: () => options.inbox.cursor,
      onAnswer: (answer) => {
        options.inbox.receive(answer);
        this.#become({ state: "polling" });
      },
      onFailure: (error) => this.#become({ state: "reconnecting", problem: textOf(error) }),
    });
  }

  /** Connect, and stay connected until `close`. No effect unless closed. */
  open(): void {
    if (this.read().state !== "closed") return;
    this.set({ ...IDLE, state: "connecting" });
    void this.#try();
  }

  close(): void {
    this.#end({ problem: null });
  }

  /** Request, on this and each later socket, to be notified of changes of the whole queue. */
  watchQueue(): void {
    if (this.#watchesQueue) return;
    this.#watchesQueue = true;
    if (this.#greeted) this.#socket?.send({ type: "watch_queue" });
  }

  /** The network is back: make the scheduled attempt now, and ping an open socket, which may be dead. */
  hurry(): void {
    if (this.#timers.has("attempt")) {
      if (!this.#appointed) void this.#try();
    } else if (this.#greeted) this.#socket?.ping();
  }

  /** Make one attempt. A response that arrives after another attempt or the end is discarded. */
  async #try(): Promise<void> {
    this.#timers.clear("attempt");
    const attempt = (this.#attempt = {});
    const { environment, config, token } = this.#options;
    try {
      const { transport, polling_interval_ms } = await config();
      if (this.#attempt !== attempt) return;
      this.#pollingInterval = polling_interval_ms;
      if (this.#options.inbox.cursor === null) await this.#fetchFirst();
      if (this.#attempt !== attempt) return;
      if (transport === "polling" || environment.WebSocket === null) {
        this.#poller.start(this.#pollingInterval);
        this.#tryAfter(PROBE_MS);
        return;
      }
      const value = await token();
      if (this.#attempt !== attempt) return;
      this.#connect(environment.WebSocket, value);
    } catch (error) {
      if (this.#attempt !== attempt) return;
      const problem = error instanceof ApiError ? error : null;
      if (problem?.tokenRefused === true) {
        this.#end({ problem: problem.message, closeCode: TOKEN_REFUSED });
        return;
      }
      if (problem?.status === 429) this.#poller.start(this.#pollingInterval);
      this.#failed({ code: ABNORMAL, reason: textOf(error) }, problem?.retryAfterMs);
    }
  }

  /** While the service is unavailable, connect without its tasks: the gateway reports it, and later sends a snapshot. */
  async #fetchFirst(): Promise<void> {
    try {
      await this.#options.firstTasks?.();
    } catch (error) {
      if (!(error instanceof ApiError) || error.status < 502) throw error;
    }
  }

  #connect(constructor: NonNullable<Environment["WebSocket"]>, token: string): void {
    const { address, environment, inbox } = this.#options;
    const url = address.socket();
    if (inbox.cursor !== null) url.searchParams.set("since", inbox.cursor);
    url.searchParams.set("ack", "1");
    this.#greeted = false;
    this.#token = token;
    const socket: Socket = new Socket(constructor, url, token, environment, {
      onMessage: (message) => this.#hear(socket, message),
      onEnd: (end) => this.#lost(end),
    });
    this.#socket = socket;
  }

  #hear(socket: Socket, message: ServerMessage): void {
    const { address, inbox } = this.#options;
    if (message.type === "hello") {
      if (!inbox.ownedBy(message.user_id)) return this.#startOver();
      this.#poller.stop();
      this.#greeted = true;
      this.#blocked = 0;
      this.#become({ ...IDLE, state: "connected" });
      if (inbox.cursor === null) socket.send({ type: "sync" });
      if (this.#watchesQueue) socket.send({ type: "watch_queue" });
    } else if (message.type === "token_expiring") {
      void this.#renew(socket);
    } else if (message.type === "service") {
      this.#become({ serviceAvailable: message.available });
    } else if (message.type === "queue_changed") {
      this.#options.onQueueChange();
    } else if (message.type === "going_away") {
      this.#comeBackAfter = message.retry_after_ms;
    }
    inbox.hear("data" in message ? address.message(message) : message);
    if ("id" in message && typeof message.id === "string" && message.type !== "bookmark") socket.ack(message.id);
  }

  /** Renew the token. If none is available, stay: the gateway closes the socket when the old one expires. */
  async #renew(socket: Socket): Promise<void> {
    try {
      const token = await this.#options.token();
      if (this.#socket !== socket) return;
      this.#token = token;
      socket.send({ type: "auth", token });
    } catch (error) {
      if (this.#socket === socket) this.#become({ problem: textOf(error) });
    }
  }

  /** Another user is signed in: discard all tasks and the cursor, and connect again. */
  #startOver(): void {
    this.#poller.stop();
    this.#socket?.close();
    this.#socket = null;
    this.#options.inbox.forget();
    this.#tryAfter(0);
  }

  #lost(end: SocketEnd): void {
    this.#socket = null;
    this.#options.inbox.interrupted();
    this.#become({ serviceAvailable: true });
    if (end.code === TOKEN_REFUSED) return void this.#refused(end);
    const policy = policyOf(end.code);
    if (policy === "stop") return this.#stop(end);
    if (!this.#greeted && end.code < 4000) this.#blocked += 1; // Codes from 4000 are the gateway's.
    if (mayPoll(end.code)) this.#poller.start(this.#pollingInterval);
    if (policy === "back-off" || !this.#greeted) return this.#failed(end, retryAfterOf(end.reason));
    this.#become({ state: "reconnecting", problem: end.reason || null, closeCode: end.code });
    this.#tryAfter(this.#comeBackAfter);
    this.#comeBackAfter = 0;
  }

  /** The session was ended. As with HTTP calls, try once more if another token is available. */
  async #refused(end: SocketEnd): Promise<void> {
    const attempt = (this.#attempt = {});
    this.#options.onTokenRefused?.(this.#token);
    const another = this.#greeted ? await this.#anotherToken() : false;
    if (this.#attempt !== attempt) return;
    if (another) this.#failed(end);
    else this.#stop(end);
  }

  async #anotherToken(): Promise<boolean> {
    try {
      return (await this.#options.token()) !== this.#token;
    } catch {
      return false; // No token is no other token; its source has the cause.
    }
  }

  #stop({ code, reason }: SocketEnd): void {
    this.#end({ problem: reason || `closed with ${code}`, closeCode: code });
  }

  /** Schedule another attempt after a backoff, added to the delay that the server named, if any. */
  #failed({ code, reason }: SocketEnd, retryAfterMs?: number | null): void {
    const { environment, failuresBeforePolling, longestBackoffMs } = this.#options;
    const { state, failures: before } = this.read();
    const failures = before + 1;
    const next = state === "connected" ? "reconnecting" : state;
    this.#become({ state: next, failures, problem: reason || "the connection was lost", closeCode: code });
    if (this.#blocked >= failuresBeforePolling) this.#poller.start(this.#pollingInterval);
    const pause = backoff(failures, environment.random, { ...BACKOFF, longestMs: longestBackoffMs });
    this.#tryAfter((retryAfterMs ?? 0) + pause, (retryAfterMs ?? null) !== null);
  }

  #tryAfter(milliseconds: number, appointed = false): void {
    this.#appointed = appointed;
    this.#timers.set("attempt", milliseconds, () => void this.#try());
  }

  #end(why: Partial<ConnectionStatus>): void {
    this.#attempt = null;
    this.#timers.clearAll();
    this.#poller.stop();
    this.#socket?.close();
    this.#socket = null;
    this.#options.inbox.interrupted();
    this.set({ ...this.read(), serviceAvailable: true, ...why, state: "closed" });
  }

  #become(change: Partial<ConnectionStatus>): void {
    const old = this.read();
    const changed = (Object.keys(change) as (keyof ConnectionStatus)[]).some((name) => change[name] !== old[name]);
    if (changed) this.set({ ...old, ...change });
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
