/** A gateway on a real port: it responds as a test wants, and records what clients sent. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";

import type { SyncAnswer, TaskData, TaskDetail, TaskMessage } from "../../src/index.ts";

export class Peer {
  readonly said: Record<string, unknown>[] = [];

  constructor(
    readonly socket: WebSocket,
    readonly url: URL,
    greeting: () => Record<string, unknown> | { close: number; reason: string },
  ) {
    socket.on("message", (data: Buffer) => {
      const message = JSON.parse(data.toString()) as Record<string, unknown>;
      this.said.push(message);
      if (message.type === "auth" && this.said.length === 1) {
        const hello = greeting();
        if (typeof hello.close === "number") socket.close(hello.close, hello.reason as string);
        else this.say(hello);
      }
    });
  }

  say(...messages: object[]): void {
    for (const message of messages) this.socket.send(JSON.stringify(message));
  }

  heard(type: string): Record<string, unknown>[] {
    return this.said.filter((message) => message.type === type);
  }
}

export interface Answer {
  /** 0: the request hangs, without a response. */
  status: number;
  body: unknown;
  headers?: Record<string, string>;
}

export class FakeGateway {
  /** Prefix of all paths, as behind a proxy. */
  prefix = "";
  readonly peers: Peer[] = [];
  readonly requests: string[] = [];
  transport: "websocket" | "polling" = "websocket";
  /** Whether the handshake of a WebSocket is refused. */
  blocked = false;
  answers: SyncAnswer[] = [];
  /** Whom a socket belongs to; a number closes it with that code before it is greeted. */
  user: string | number = "ann";
  /** Reason of that close. */
  reason = "";
  /** Answers of all other paths, by method and path. */
  readonly routes = new Map<string, (request: IncomingMessage) => Answer>();
  readonly #http: Server;
  readonly #sockets = new WebSocketServer({ noServer: true });

  private constructor() {
    this.#http = createServer((request, response) => this.#answer(request, response));
    this.#http.on("upgrade", (request, socket, head) => {
      if (this.blocked || !request.url?.startsWith(`${this.prefix}/ws/notifications`)) {
        socket.end("HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n");
        return;
      }
      this.#sockets.handleUpgrade(request, socket, head, (opened) => {
        this.peers.push(new Peer(opened, new URL(request.url ?? "", this.url), () => this.#greeting()));
      });
    });
  }

  static async start(): Promise<FakeGateway> {
    const gateway = new FakeGateway();
    await new Promise<void>((resolve) => gateway.#http.listen(0, "127.0.0.1", resolve));
    return gateway;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}`;
  }

  get peer(): Peer {
    const peer = this.peers.at(-1);
    if (peer === undefined) throw new Error("nobody has connected");
    return peer;
  }

  count(path: string): number {
    return this.requests.filter((request) => request.endsWith(path)).length;
  }

  async stop(): Promise<void> {
    for (const { socket } of this.peers) socket.terminate();
    this.#http.closeAllConnections();
    await new Promise((resolve) => this.#http.close(resolve));
  }

  #greeting(): Record<string, unknown> | { close: number; reason: string } {
    const { user, reason } = this;
    return typeof user === "number" ? { close: user, reason } : { type: "hello", protocol: "whitebg.v2", user_id: user };
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const path = request.url?.split("?")[0] ?? "";
    const name = path.startsWith(this.prefix) ? `${request.method} ${path.slice(this.prefix.length)}` : "outside the prefix";
    this.requests.push(name);
    request.resume();
    request.on("end", () => {
      const { status, body, headers } = this.#route(name, request);
      if (status === 0) return;
      response.writeHead(status, { "Content-Type": "application/json", ...headers });
      response.end(body instanceof Uint8Array ? body : JSON.stringify(body));
    });
  }

  #route(name: string, request: IncomingMessage): Answer {
    const route = this.routes.get(name);
    if (route !== undefined) return route(request);
    if (name === "GET /api/v2/config") {
      const config = { websocket_only: true, transport: this.transport, polling_interval_ms: 10, rollout_percent: 100 };
      return { status: 200, body: config };
    }
    if (name === "GET /api/v2/events") {
      const quiet: SyncAnswer = { mode: "replay", reason: null, messages: [], cursor: "e:9", has_more: false };
      return { status: 200, body: this.answers.shift() ?? quiet };
    }
    return { status: 404, body: { error: { code: "not_found", message: `no ${name} here` } } };
  }
}

export function data(change: Partial<TaskData> = {}): TaskData {
  return {
    status: "processing",
    progress: 0,
    result_image_url: null,
    elapsed_time: 1,
    estimated_remaining_seconds: null,
    error_message: null,
    updated_at: "2026-01-08T10:00:00.000Z",
    attempt: 1,
    stage: "",
    queue_position: 0,
    error_code: null,
    ...change,
  };
}

export function detail(taskId: number, change: Partial<TaskDetail> = {}): TaskDetail {
  const parts = { input_image_url: `/images/${taskId}/input`, thumbnail_url: null, mask_url: null, result: null, seq: 1, filename: "cup.jpg" };
  return { task_id: taskId, ...data(change), ...parts, ...change } as TaskDetail;
}

export function message(taskId: number, id: string | null, change: Partial<TaskData> = {}): TaskMessage {
  const body = data(change);
  const type = body.status === "completed" ? "task_complete" : body.status === "failed" ? "task_failed" : "task_update";
  const task = { type, task_id: taskId, timestamp: body.updated_at, data: body } as const;
  return id === null ? task : { ...task, id };
}

export const syncBegin = (mode: string, reason: string | null = null): object => ({ type: "sync_begin", mode, reason });
export const syncEnd = (mode: string, head: string): object => ({ type: "sync_end", mode, reason: null, head });
