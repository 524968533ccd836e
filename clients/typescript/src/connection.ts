/** Decides how news come: by a WebSocket if there is one to be had, by polling while there is not. */
import { backoff, BACKOFF } from "./backoff.ts";
import { policyOf, TOKEN_REFUSED } from "./closing.ts";
import type { Environment } from "./environment.ts";
import type { ClientConfig, TokenSource } from "./http.ts";
import type { Inbox } from "./inbox.ts";
import type { ServerMessage, SyncAnswer } from "./messages.ts";
import { Poller } from "./poller.ts";
import { ApiError } from "./problem.ts";
import { ABNORMAL, Socket, type SocketEnd } from "./socket.ts";
import { Store } from "./store.ts";
import { Timers } from "./timers.ts";

/**
 * - `connecting`: the first attempt is under way;
 * - `connected`: the WebSocket is open;
 * - `reconnecting`: it was lost, and another attempt waits or is under way;
 * - `polling`: news come by asking; a WebSocket is still tried now and then;
 * - `closed`: nobody connects, because nobody asked to, or because the gateway said to stop.
 */
export type ConnectionState = "connecting" | "connected" | "reconnecting" | "polling" | "closed";

export interface ConnectionStatus {
  readonly state: ConnectionState;
  /** Attempts that failed since the last success. */
  readonly failures: number;
  /** Why the last attempt or connection ended; null while all is well. */
  readonly problem: string | null;
  /** Close code of the last WebSocket, if there was one. */
  readonly closeCode: number | null;
}

export interface ConnectionOptions {
  /** Gives the address of `/ws/notifications`; asked when it is needed, for on a server there is no page's address. */
  url: () => URL;
  token: TokenSource;
  onTokenRefused: ((token: string) => void) | undefined;
  config: () => Promise<ClientConfig>;
  sync: (since: string | null) => Promise<SyncAnswer>;
  environment: Environment;
  inbox: Inbox;
  longestBackoffMs: number;
  /** So many sockets in a row that do not open though the gateway answers, and polling begins. */
  failuresBeforePolling: number;
}

/** How often a client that is told to poll asks whether that still holds. */
const PROBE_MS = 30_000;
/** Until the gateway has said how often to poll. */
const POLLING_INTERVAL_MS = 5_000;
const IDLE: ConnectionStatus = { state: "closed", failures: 0, problem: null, closeCode: null };

export class Connection extends Store<ConnectionStatus> {
  readonly #options: ConnectionOptions;
  readonly #timers: Timers<"attempt">;
  readonly #poller: Poller;
  #attempt: object | null = null;
  #socket: Socket | null = null;
  #greeted = false;
  /** The latest that the socket was given. */
  #token = "";
  /** Sockets in a row that never opened: something on the way lets requests through, but not them. */
  #blocked = 0;
  #pollingInterval = POLLING_INTERVAL_MS;
  #comeBackAfter = 0;

  constructor(options: ConnectionOptions) {
    super(IDLE);
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

  /** Connect, and stay connected until `close`. Does nothing if that is so already. */
  open(): void {
    if (this.read().state !== "closed") return;
    this.set({ ...IDLE, state: "connecting" });
    void this.#try();
  }

  close(): void {
    this.#end({ problem: null });
  }

  /** The network came back: try now what was to be tried later. A socket that seems open may be dead. */
  hurry(): void {
    if (this.#timers.has("attempt")) void this.#try();
    else if (this.#greeted) this.#socket?.ping();
  }

  /** One attempt. Whatever answers late, after another attempt or the end, is let go. */
  async #try(): Promise<void> {
    this.#timers.clear("attempt");
    const attempt = (this.#attempt = {});
    const { environment, config, token } = this.#options;
    try {
      const { transport, polling_interval_ms } = await config();
      if (this.#attempt !== attempt) return;
      this.#pollingInterval = polling_interval_ms;
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
      if (error instanceof ApiError && error.tokenRefused) this.#end({ problem: error.message, closeCode: TOKEN_REFUSED });
      else this.#failed({ code: ABNORMAL, reason: textOf(error) });
    }
  }

  #connect(constructor: NonNullable<Environment["WebSocket"]>, token: string): void {
    const { environment, inbox } = this.#options;
    const url = this.#options.url();
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
    const { inbox } = this.#options;
    if (message.type === "hello") {
      if (!inbox.ownedBy(message.user_id)) return this.#startOver();
      this.#poller.stop();
      this.#greeted = true;
      this.#blocked = 0;
      this.#become({ state: "connected", failures: 0, problem: null, closeCode: null });
      if (inbox.cursor === null) socket.send({ type: "sync" });
    } else if (message.type === "token_expiring") {
      void this.#renew(socket);
    } else if (message.type === "going_away") {
      this.#comeBackAfter = message.retry_after_ms;
    }
    inbox.hear(message);
    if ("id" in message && typeof message.id === "string" && message.type !== "bookmark") socket.ack(message.id);
  }

  /** A token that can't be had now is no reason to leave: the gateway closes when the old one has expired. */
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

  /** Somebody else is signed in now: nothing that is held is theirs, and the cursor is not either. */
  #startOver(): void {
    this.#socket?.close();
    this.#socket = null;
    this.#options.inbox.forget();
    this.#tryAfter(0);
  }

  #lost(end: SocketEnd): void {
    this.#socket = null;
    this.#options.inbox.interrupted();
    if (end.code === TOKEN_REFUSED) return void this.#refused(end);
    const policy = policyOf(end.code);
    if (policy === "stop") return this.#stop(end);
    if (!this.#greeted && end.code < 4000) this.#blocked += 1; // The gateway itself says more.
    if (policy === "back-off" || !this.#greeted) return this.#failed(end);
    this.#become({ state: "reconnecting", problem: end.reason || null, closeCode: end.code });
    this.#tryAfter(this.#comeBackAfter);
    this.#comeBackAfter = 0;
  }

  /** A session was ended. As with any call, it is tried once more if another token is to be had. */
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
      return false; // Whoever gives tokens knows why.
    }
  }

  #stop({ code, reason }: SocketEnd): void {
    this.#end({ problem: reason || `closed with ${code}`, closeCode: code });
  }

  #failed({ code, reason }: SocketEnd): void {
    const { environment, failuresBeforePolling, longestBackoffMs } = this.#options;
    const { state, failures: before } = this.read();
    const failures = before + 1;
    const next = state === "connected" ? "reconnecting" : state;
    this.#become({ state: next, failures, problem: reason || "the connection was lost", closeCode: code });
    if (this.#blocked >= failuresBeforePolling) this.#poller.start(this.#pollingInterval);
    this.#tryAfter(backoff(failures, environment.random, { ...BACKOFF, longestMs: longestBackoffMs }));
  }

  #tryAfter(milliseconds: number): void {
    this.#timers.set("attempt", milliseconds, () => void this.#try());
  }

  #end(why: Partial<ConnectionStatus>): void {
    this.#attempt = null;
    this.#timers.clearAll();
    this.#poller.stop();
    this.#socket?.close();
    this.#socket = null;
    this.#options.inbox.interrupted();
    this.set({ ...this.read(), ...why, state: "closed" });
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
