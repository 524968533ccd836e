/** The parts of the client, put together. */
import { BACKOFF } from "./backoff.ts";
import { Connection, type ConnectionState, type ConnectionStatus } from "./connection.ts";
import { Details } from "./details.ts";
import { type Environment, systemEnvironment } from "./environment.ts";
import { HttpClient, type SubmitOptions, type TaskDetail, type TokenSource } from "./http.ts";
import { Inbox } from "./inbox.ts";
import { Latency, type LatencyFigures } from "./latency.ts";
import type { TaskMessage } from "./messages.ts";
import { type Readable, Store } from "./store.ts";
import { Subscriptions, type TaskHandlers } from "./subscriptions.ts";
import { ApiError } from "./problem.ts";
import { type Change, type TaskMap, Tasks } from "./tasks.ts";

export interface ClientOptions {
  /** Gives the session's token; asked before every call and every connection. */
  token: TokenSource;
  /** Hears of a token that the gateway refused. A call is made once again if `token` then gives another. */
  onTokenRefused?: (token: string) => void;
  /** Where the gateway is, such as `https://photos.example`; left out: where the page is from. */
  baseUrl?: string;
  /** What no delay between two attempts exceeds; 30 s. */
  longestBackoffMs?: number;
  /** So many WebSockets in a row that do not open though the gateway answers, and the client polls until one does; 3. */
  failuresBeforePolling?: number;
  /** Whether what messages do not tell (options, pictures, report) is fetched by itself, also of other tabs' tasks. */
  details?: boolean;
  /** Hears of handlers that throw; left out: `console.error`. */
  onHandlerError?: (error: unknown) => void;
  /** Other surroundings, such as a clock of a test or a WebSocket where there is none. */
  environment?: Partial<Environment>;
}

/** One connection, shared by all who subscribe. */
export interface WhitebgClient {
  readonly http: HttpClient;
  /** The connection's state, to be read and watched. */
  readonly connection: Readable<ConnectionStatus>;
  /** All tasks known, to be read and watched. */
  readonly tasks: Readable<TaskMap>;
  /** The latest message about a task, to be read and watched. */
  readonly messages: Readable<TaskMessage | null>;
  /** Counts the snapshots: where it changes, what was fetched before is void. */
  readonly snapshots: Readable<number>;
  readonly state: ConnectionState;
  readonly isConnected: boolean;
  readonly lastMessage: TaskMessage | null;
  latency(): LatencyFigures;
  connect(): void;
  /** Disconnect; `connect` resumes where this left off. */
  close(): void;
  /** The network came back: try now what was to be tried later. */
  retryNow(): void;
  /** Follow one task, or with 0 all of them. One that is known already is told at once. Returns how to stop. */
  readonly subscribe: (taskId: number, handlers: TaskHandlers) => () => void;
  readonly unsubscribeAll: () => void;
  /** `http.submit`, with the task known here at once. */
  submit(photo: Blob, options?: SubmitOptions): Promise<TaskDetail>;
  /** `http.cancel`, with the end known here at once. */
  cancel(taskId: number): Promise<TaskDetail>;
  /** `http.retry`, with the new task known here at once. Called again after no answer came, it is the same new task. */
  retry(taskId: number): Promise<TaskDetail>;
  /** `http.get`, such as for links that are valid for longer. */
  refresh(taskId: number): Promise<TaskDetail>;
  /** Make known what an answer of the HTTP API says. */
  learn(...details: TaskDetail[]): void;
  /** Somebody else signs in: all that is known is void, and a connection begins anew. */
  forget(): void;
}

export function createClient(options: ClientOptions): WhitebgClient {
  const environment: Environment = { ...systemEnvironment(), ...options.environment };
  const baseUrl = (options.baseUrl ?? "").replace(/\/+$/, "");
  const { token, onTokenRefused } = options;
  const http = new HttpClient({ baseUrl, token, onTokenRefused, fetch: environment.fetch, online: environment.online });
  const tasks = new Tasks();
  const messages = new Store<TaskMessage | null>(null);
  const snapshots = new Store(0);
  const latency = new Latency();
  const subscriptions = new Subscriptions(options.onHandlerError ?? ((error) => console.error(error)));
  const details = new Details(environment.clock, (taskId) => http.get(taskId), (detail) => client.learn(detail));
  const retryKeys = new Map<number, string>();
  const tell = ({ task }: Change, quiet = false): void => {
    if (options.details === true && !quiet) details.check(task);
    subscriptions.tell(task, quiet);
  };
  const inbox = new Inbox(tasks, {
    onMessage(message, live) {
      if (live) latency.add(message.timestamp, environment.clock.now());
      messages.set(message);
    },
    onChange: tell,
    onSnapshot: () => snapshots.set(snapshots.read() + 1),
  });
  const connection = new Connection({
    url: () => socketUrl(baseUrl),
    token,
    onTokenRefused,
    config: () => http.config(),
    sync: (since) => http.sync(since),
    environment,
    inbox,
    longestBackoffMs: options.longestBackoffMs ?? BACKOFF.longestMs,
    failuresBeforePolling: options.failuresBeforePolling ?? 3,
  });

  const learned = (detail: TaskDetail): TaskDetail => {
    client.learn(detail);
    return detail;
  };
  const client: WhitebgClient = {
    http,
    connection,
    tasks,
    messages,
    snapshots,
    get state() {
      return connection.read().state;
    },
    get isConnected() {
      return connection.read().state === "connected";
    },
    get lastMessage() {
      return messages.read();
    },
    latency: () => latency.figures(),
    connect: () => connection.open(),
    close() {
      connection.close();
      details.stop();
    },
    retryNow: () => connection.hurry(),
    subscribe(taskId, handlers) {
      const subscription = subscriptions.add(taskId, handlers);
      // It may have ended before anybody could ask: between a submission and its answer, say.
      queueMicrotask(() => {
        const task = tasks.read().get(taskId);
        if (task !== undefined) subscription.tellFirst(task);
      });
      return subscription.stop;
    },
    unsubscribeAll: () => subscriptions.clear(),
    async submit(photo, submitOptions) {
      return learned(await http.submit(photo, submitOptions));
    },
    async cancel(taskId) {
      return learned(await http.cancel(taskId));
    },
    async retry(taskId) {
      const key = retryKeys.get(taskId) ?? crypto.randomUUID();
      retryKeys.set(taskId, key);
      try {
        const detail = learned(await http.retry(taskId, key));
        retryKeys.delete(taskId);
        return detail;
      } catch (error) {
        if (error instanceof ApiError && !error.retryable) retryKeys.delete(taskId);
        throw error;
      }
    },
    async refresh(taskId) {
      return learned(await http.get(taskId));
    },
    learn(...answers) {
      for (const change of tasks.add(answers)) tell(change, change.before === undefined);
    },
    forget() {
      const open = connection.read().state !== "closed";
      client.close();
      inbox.forget();
      retryKeys.clear();
      if (open) client.connect();
    },
  };
  return client;
}

function socketUrl(baseUrl: string): URL {
  const url = new URL("/ws/notifications", baseUrl || location.href);
  url.protocol = url.protocol.replace("http", "ws");
  return url;
}
