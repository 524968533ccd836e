/** Assembles the client from its parts. */
import { Address } from "./address.ts";
import { BACKOFF } from "./backoff.ts";
import { Connection, type ConnectionState, type ConnectionStatus } from "./connection.ts";
import { Details } from "./details.ts";
import { type Environment, systemEnvironment } from "./environment.ts";
import type { ImageName } from "./files.ts";
import {
  type DeletedTasks,
  discarded,
  HttpClient,
  type ListOptions,
  type Submitted,
  type SubmitOptions,
  type TaskDetail,
  type TaskPage,
  type TokenSource,
  type VersionOptions,
} from "./http.ts";
import { checkedId, uuid } from "./ids.ts";
import { Inbox } from "./inbox.ts";
import { Latency, type LatencyFigures } from "./latency.ts";
import type { CallOptions } from "./limits.ts";
import type { TaskMessage } from "./messages.ts";
import { isolated, safeReport } from "./report.ts";
import { type Readable, Store } from "./store.ts";
import { Subscriptions, type TaskHandlers } from "./subscriptions.ts";
import { ApiError } from "./problem.ts";
import { type Change, type Task, type TaskMap, Tasks } from "./tasks.ts";

export interface ClientOptions {
  /** Returns the session's token; called before every call and every connection. */
  token: TokenSource;
  /** Receives a token that the gateway rejected. The call is repeated once if `token` then returns another. */
  onTokenRefused?: (token: string) => void;
  /** The gateway's URL, such as `https://photos.example` or `https://example.com/photos`; default: the page's origin. */
  baseUrl?: string;
  /** Timeout of each call in milliseconds, plus the transfer time of a photo or picture; default 30 s. */
  timeoutMs?: number;
  /** Maximum backoff between two attempts, in milliseconds; default 30 s. */
  longestBackoffMs?: number;
  /** Consecutive WebSockets that do not open although the gateway responds, after which the client polls; default 3. */
  failuresBeforePolling?: number;
  /** Whether details that messages lack (options, pictures, report) are fetched automatically, for all tabs' tasks. */
  details?: boolean;
  /**
   * How many of the newest tasks are fetched at the first connection, up to 500, besides all that have not ended;
   * `list` fetches older ones. Default: all tasks, as one snapshot.
   */
  firstTasks?: number;
  /** Receives the errors of handlers, listeners and callbacks that throw; default: `console.error`. */
  onHandlerError?: (error: unknown) => void;
  /** Replaces parts of the environment, such as the clock in a test, or a missing WebSocket. */
  environment?: Partial<Environment>;
}

/** The gateway's limit of a page. */
const MOST_LISTED = 500;

export interface DownloadOptions extends CallOptions {
  /** Default: `result`. */
  image?: ImageName;
}

/** One connection, shared by all subscribers. */
export interface WhitebgClient {
  readonly http: HttpClient;
  /** The connection's state. */
  readonly connection: Readable<ConnectionStatus>;
  /** All known tasks. */
  readonly tasks: Readable<TaskMap>;
  /** The latest message about a task. */
  readonly messages: Readable<TaskMessage | null>;
  /** Number of snapshots received; a new one invalidates task lists fetched before. */
  readonly snapshots: Readable<number>;
  /**
   * Number of reported changes of the whole queue, at most one a second, after `watchQueue`. Each connection begins with
   * one, so that a reader who reads the queue again at each misses nothing.
   */
  readonly queueChanges: Readable<number>;
  readonly state: ConnectionState;
  readonly isConnected: boolean;
  readonly lastMessage: TaskMessage | null;
  latency(): LatencyFigures;
  connect(): void;
  /** Disconnect; `connect` resumes from the same log position. */
  close(): void;
  /** Request `queueChanges`. The gateway closes the socket if the token lacks the scope `admin`. */
  watchQueue(): void;
  /** The network is back: make the scheduled attempt now, unless the gateway set its time. */
  retryNow(): void;
  /**
   * Subscribe to one task, or with 0 to all; a `TypeError` if the id is invalid. A known task is passed to the handlers
   * at once. Returns the function that unsubscribes: no handler is called after it.
   */
  readonly subscribe: (taskId: number, handlers: TaskHandlers) => () => void;
  readonly unsubscribeAll: () => void;
  /** `http.submit`; adds the task to `tasks`. */
  submit(photo: Blob, options?: SubmitOptions): Promise<Submitted>;
  /** `http.createVersion`; adds the new task to `tasks`. */
  createVersion(taskId: number, options?: VersionOptions): Promise<Submitted>;
  /** `http.cancel`; updates the task in `tasks`. */
  cancel(taskId: number, options?: CallOptions): Promise<TaskDetail>;
  /** `http.delete`; removes the tasks from `tasks`. */
  delete(tasks: readonly number[] | "all", options?: CallOptions): Promise<DeletedTasks>;
  /** `http.deleteBatch`; removes its tasks from `tasks`. */
  deleteBatch(batchId: string, options?: CallOptions): Promise<DeletedTasks>;
  /** `http.retry`; adds the new task to `tasks`. Repeated after a call without a response, it returns the same task. */
  retry(taskId: number, options?: CallOptions): Promise<TaskDetail>;
  /** `http.get`, such as for links that are valid for longer; updates the task in `tasks`. */
  refresh(taskId: number, options?: CallOptions): Promise<TaskDetail>;
  /** `http.list`; adds its tasks to `tasks`. */
  list(options?: ListOptions): Promise<TaskPage>;
  /** Whether the first connection fetches the newest tasks (`firstTasks`), in place of a snapshot of all. */
  readonly fetchesFirst: boolean;
  /** Return the page that the first connection fetched, once; null if there is none. */
  takeFirstPage(): TaskPage | null;
  /**
   * Fetch an image of a task as a file, named by the server. An expired link is renewed first. `ApiError` 409 if the
   * task has no such image.
   */
  download(task: number | Task | TaskDetail, options?: DownloadOptions): Promise<File>;
  /** Apply responses of the HTTP API to `tasks`. */
  learn(...details: TaskDetail[]): void;
  /**
   * Discard everything, because another user signs in: responses in progress too (their calls reject with the code
   * `discarded`). Reconnects if connected.
   */
  forget(): void;
}

export function createClient(options: ClientOptions): WhitebgClient {
  const environment: Environment = { ...systemEnvironment(), ...options.environment };
  const { baseUrl = "", token, timeoutMs } = options;
  const report = safeReport(options.onHandlerError);
  const onTokenRefused = (refused: string): void => isolated(() => options.onTokenRefused?.(refused), report);
  const { clock, fetch, online } = environment;
  const http = new HttpClient({ baseUrl, token, onTokenRefused, fetch, online, clock, timeoutMs });
  const tasks = new Tasks(report);
  const messages = new Store<TaskMessage | null>(null, report);
  const snapshots = new Store(0, report);
  const queueChanges = new Store(0, report);
  const latency = new Latency();
  const subscriptions = new Subscriptions(report);
  const details = new Details(clock, (taskId) => client.refresh(taskId));
  const retryKeys = new Map<number, string>();
  let firstPage: TaskPage | null = null;
  const tell = (change: Change, quiet = false): void => {
    if (options.details === true && !quiet && change.task.data.deleted !== true) details.check(change.task);
    subscriptions.tell(change, quiet);
  };
  const inbox = new Inbox(tasks, {
    onMessage(message, live) {
      if (live) latency.add(message.timestamp, environment.clock.now());
      messages.set(message);
      if (message.data.batch) subscriptions.tellBatch(message.data.batch);
    },
    onChange: tell,
    onSnapshot: () => snapshots.set(snapshots.read() + 1),
    onForget() {
      generation += 1;
      firstPage = null;
      http.discard();
      details.stop();
      retryKeys.clear();
      messages.set(null);
    },
  });
  const connection = new Connection({
    address: new Address(baseUrl),
    token: () => http.token(),
    onTokenRefused,
    config: () => http.config(),
    sync: (since) => http.sync(since),
    firstTasks: options.firstTasks === undefined ? undefined : () => fetchFirst(options.firstTasks),
    environment,
    inbox,
    longestBackoffMs: options.longestBackoffMs ?? BACKOFF.longestMs,
    failuresBeforePolling: options.failuresBeforePolling ?? 3,
    onQueueChange: () => queueChanges.set(queueChanges.read() + 1),
    report,
  });

  /** Number of `forget` calls; a response requested before the latest one is discarded. */
  let generation = 0;
  const learned = async <T>(call: Promise<T>, detailsOf: (answer: T) => readonly TaskDetail[]): Promise<T> => {
    const began = generation;
    const answer = await call;
    if (began !== generation) throw discarded();
    client.learn(...detailsOf(answer));
    return answer;
  };
  /** Fetch the newest tasks and those that have not ended, and position the log where the first page was read. */
  const fetchFirst = async (limit: number | undefined): Promise<void> => {
    const began = generation;
    const page = await client.list({ limit });
    for (const status of ["pending", "processing"] as const) await client.list({ limit: MOST_LISTED, status });
    if (began !== generation) return;
    firstPage = page;
    inbox.startAt(page.cursor);
  };
  const learnedOne = (call: Promise<TaskDetail>): Promise<TaskDetail> => learned(call, (detail) => [detail]);
  const submitted = (call: Promise<Submitted>): Promise<Submitted> =>
    learned(call, (answer) => [answer, ...answer.more_tasks]);
  const removed = async (call: Promise<DeletedTasks>): Promise<DeletedTasks> => {
    const began = generation;
    const answer = await call;
    if (began !== generation) throw discarded();
    tasks.remove([...answer.task_ids, ...answer.missing_task_ids]);
    return answer;
  };
  const client: WhitebgClient = {
    http,
    connection,
    tasks,
    messages,
    snapshots,
    queueChanges,
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
    watchQueue: () => connection.watchQueue(),
    retryNow: () => connection.hurry(),
    subscribe(taskId, handlers) {
      const subscription = subscriptions.add(taskId, handlers);
      // The task may have ended before the subscription, such as between a submission and its response.
      queueMicrotask(() => {
        const task = tasks.read().get(taskId);
        if (task !== undefined) subscription.tellFirst(task);
      });
      return subscription.stop;
    },
    unsubscribeAll: () => subscriptions.clear(),
    submit: (photo, submitOptions) => submitted(http.submit(photo, submitOptions)),
    createVersion: (taskId, versionOptions) => submitted(http.createVersion(taskId, versionOptions)),
    cancel: (taskId, callOptions) => learnedOne(http.cancel(taskId, callOptions)),
    delete: (deleted, callOptions) => removed(http.delete(deleted, callOptions)),
    deleteBatch: (batchId, callOptions) => removed(http.deleteBatch(batchId, callOptions)),
    async retry(taskId, callOptions) {
      const key = retryKeys.get(checkedId(taskId)) ?? uuid();
      retryKeys.set(taskId, key);
      try {
        const detail = await learnedOne(http.retry(taskId, key, callOptions));
        retryKeys.delete(taskId);
        return detail;
      } catch (error) {
        if (error instanceof ApiError && !error.retryable) retryKeys.delete(taskId);
        throw error;
      }
    },
    refresh: (taskId, callOptions) => learnedOne(http.get(taskId, callOptions)),
    list: (listOptions) => learned(http.list(listOptions), (page) => page.tasks),
    fetchesFirst: options.firstTasks !== undefined,
    takeFirstPage() {
      const page = firstPage;
      firstPage = null;
      return page;
    },
    async download(task, { image = "result", ...callOptions } = {}) {
      const id = idOf(task);
      const fetched = (from: Task | TaskDetail): Promise<File> | null => {
        const link = linkOf(from, image);
        const filename = ("id" in from ? from.data : from).filename;
        return link === null ? null : http.image(link, { ...callOptions, image, filename });
      };
      const known = typeof task === "number" ? tasks.read().get(id) : task;
      try {
        const file = known === undefined ? null : await fetched(known);
        if (file !== null) return file;
      } catch (error) {
        // 403, 410: the link has expired, or the signing key has changed.
        if (!(error instanceof ApiError && (error.status === 403 || error.status === 410))) throw error;
      }
      const detail = await client.refresh(id, callOptions);
      const file = await fetched(detail);
      if (file === null) throw new ApiError(409, "no_image", `task ${id} has no ${image}: its status is ${detail.status}`);
      return file;
    },
    learn(...answers) {
      for (const change of tasks.add(answers)) tell(change, change.before === undefined);
    },
    forget() {
      const open = connection.read().state !== "closed";
      client.close();
      inbox.forget();
      if (open) client.connect();
    },
  };
  return client;
}

/** Return the id of a task in any form; JavaScript callers may pass anything. */
function idOf(task: unknown): number {
  const { id, task_id } = Object(task) as { id?: unknown; task_id?: unknown };
  return checkedId(id ?? task_id ?? task);
}

function linkOf(task: Task | TaskDetail, image: ImageName): string | null {
  const detail = "id" in task ? task.detail : task;
  if (image === "result") return ("id" in task ? task.data : task).result_image_url;
  return detail?.[image === "input" ? "input_image_url" : (`${image}_url` as const)] ?? null;
}
