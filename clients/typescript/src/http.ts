/** The gateway's HTTP API: each call sends the caller's token, each failure is an `ApiError`. */
import { Address } from "./address.ts";
import { type Clock, systemClock } from "./environment.ts";
import { fileOf, type ImageName } from "./files.ts";
import type { components, operations } from "./generated/openapi.ts";
import { checkedId, uuid } from "./ids.ts";
import { bounded, type CallOptions } from "./limits.ts";
import { type Batch, parseSyncAnswer, type SyncAnswer } from "./messages.ts";
import { ApiError, problemOf, received } from "./problem.ts";
import { ServerTime } from "./server-time.ts";

/** The messages of the HTTP API, by name. */
export type Schemas = components["schemas"];
export type TaskDetail = Schemas["TaskOut"];
/** The task of a request, and in `more_tasks` those of its `moreOptions`. */
export type Submitted = Schemas["SubmittedOut"];
export type TaskPage = Schemas["TaskList"];
export type ClientConfig = Schemas["ClientConfig"];
export type SocketToken = Schemas["TokenOut"];
/** How people sign in on the page. */
export type SignInOptions = Schemas["SignInOut"];
export type GuestToken = Schemas["GuestTokenOut"];
export type TaskFilter = Schemas["StatusFilter"];
export type Preset = Schemas["PresetOut"];
/** A region of the photo, and whether it is kept or removed. */
export type Hint = Schemas["HintOut"];
/** The owner's decision on a result. */
export type Review = Schemas["ReviewName"];
export type ReviewedTasks = Schemas["ReviewedOut"];
export type DeletedTasks = Schemas["DeletedOut"];
export type EngineInfo = Schemas["EngineOut"];
/** Options of the picture; those left out have the preset's values. */
export type TaskOptions = Omit<operations["submit"]["requestBody"]["content"]["multipart/form-data"], "file" | "mask" | "hints" | "more_options"> & {
  /** Regions that are certainly product or backdrop, at most 64; where two overlap, the later one wins. */
  hints?: readonly Hint[];
};

/** Returns the session's token; called before every call and every connection. */
export type TokenSource = () => string | Promise<string>;

interface NewTaskOptions extends TaskOptions, CallOptions {
  /** Identifies the task, so that a submission can be repeated; generated if left out. */
  idempotencyKey?: string;
  /**
   * The product's outline, which replaces the engine's: a PNG, WebP or JPEG with the upright photo's aspect ratio,
   * white inside the product, or transparent outside it.
   */
  mask?: Blob;
  /**
   * Options of further pictures of the same photo, such as for other markets, at most 19: one more task each, which
   * share photo, mask and hints. Without `batchId`, the tasks are a closed batch of their own.
   */
  moreOptions?: readonly Omit<TaskOptions, "hints">[];
  /** Adds the task to the batch of this name: up to 100 letters, digits and `._~:-`. Close it after the last one. */
  batchId?: string;
  /** Earliest start, at most 30 days ahead; at once if it is past. */
  runAt?: Date;
}

export interface SubmitOptions extends NewTaskOptions {
  /** Default: the name of a `File`, or `photo`. */
  filename?: string;
}

export interface VersionOptions extends NewTaskOptions {
  /** Drop the earlier task's mask, which is otherwise used again if `mask` is left out. */
  dropMask?: boolean;
}

export interface ListOptions extends CallOptions {
  skip?: number | undefined;
  limit?: number | undefined;
  status?: TaskFilter | undefined;
  /** Only tasks of this batch. */
  batchId?: string | undefined;
  /** Only completed tasks with this decision. */
  review?: Review | undefined;
}

export interface HttpOptions {
  /** Such as `https://photos.example` or `https://example.com/photos`; empty: the page's origin. */
  baseUrl: string;
  token: TokenSource;
  /** Receives a token that the gateway rejected, before another is requested. */
  onTokenRefused?: ((token: string) => void) | undefined;
  fetch: typeof fetch;
  /** Whether the device may have a network; default: true. */
  online?: () => boolean;
  /** Clock of the timeouts; default: the system's. */
  clock?: Clock;
  /** Timeout of each call in milliseconds, plus the transfer time of a photo or picture; default 30 s. */
  timeoutMs?: number | undefined;
}

const TIMEOUT_MS = 30_000;
/** Assumed rate of photo and picture transfers, which extends their timeout: 32 kB/s. */
const SLOWEST_BYTES_PER_MS = 32;
/** Assumed size of a picture without a `Content-Length`. */
const LARGEST_BYTES = 25 * 2 ** 20;

/** The gateway's HTTP API. Every call ends within its timeout and can be aborted; links in responses are absolute. */
export class HttpClient {
  readonly #options: HttpOptions;
  readonly #address: Address;
  readonly #serverTime = new ServerTime();
  #session = new AbortController();

  constructor(options: HttpOptions) {
    this.#options = options;
    this.#address = new Address(options.baseUrl);
  }

  /** Queue a photo. When this resolves, photo and task are durable. */
  submit(photo: Blob, { filename, ...options }: SubmitOptions = {}): Promise<Submitted> {
    const form = new FormData();
    form.append("file", photo, filename ?? (photo instanceof File ? photo.name : "photo"));
    return this.#create("", form, photo.size, options);
  }

  /**
   * Queue the photo of an earlier task as a new task with other options, hints or mask; the earlier result is
   * unchanged. Options left out have the preset's values, not the earlier task's.
   */
  async createVersion(taskId: number, { dropMask = false, ...options }: VersionOptions = {}): Promise<Submitted> {
    return this.#create(`/${checkedId(taskId)}/versions`, new FormData(), 0, options, { drop_mask: dropMask });
  }

  /** List the caller's tasks, newest first. */
  async list({ skip = 0, limit = 50, status, batchId, review, ...options }: ListOptions = {}): Promise<TaskPage> {
    const query = queryOf({ skip, limit, status, batch_id: batchId, review });
    const path = `/api/v2/tasks${query}`;
    const page = await this.#call<TaskPage>("GET", path, {}, options);
    return { ...page, tasks: page.tasks.map((detail) => this.#address.detail(detail)) };
  }

  async get(taskId: number, options?: CallOptions): Promise<TaskDetail> {
    return this.#task("GET", `/api/v2/tasks/${checkedId(taskId)}`, {}, options);
  }

  /** Cancel a task; repeated calls have no effect. `ApiError` 409 if it has already ended otherwise. */
  async cancel(taskId: number, options?: CallOptions): Promise<TaskDetail> {
    return this.#task("POST", `/api/v2/tasks/${checkedId(taskId)}/cancel`, {}, options);
  }

  /**
   * Delete tasks with their images: these, at most 1,000, or all. Those that have not ended are cancelled first. Tasks
   * that do not exist are returned as missing, so the call can be repeated.
   */
  async delete(tasks: readonly number[] | "all", options?: CallOptions): Promise<DeletedTasks> {
    const body = tasks === "all" ? { all: true } : { task_ids: tasks.map(checkedId) };
    return this.#call("POST", "/api/v2/tasks/delete", jsonBody(body), options);
  }

  /**
   * Accept or reject the results of tasks, at most 1,000, or take that back (`open`). Tasks without a result, and those
   * that do not exist, are returned as such, so the call can be repeated. A message about each task that changes follows.
   */
  async review(taskIds: readonly number[], review: Review, options?: CallOptions): Promise<ReviewedTasks> {
    const body = { task_ids: taskIds.map(checkedId), review };
    return this.#call("POST", "/api/v2/tasks/review", jsonBody(body), options);
  }

  /**
   * Start to download the results of tasks, at most 1,000, as a ZIP with `report.csv`. `name` is the pattern of the files'
   * names: {name}, {sku}, {market} and {n}; / separates folders. An incomplete transfer rejects where the body is read.
   */
  async archive(taskIds: readonly number[], name?: string, options?: CallOptions): Promise<Response> {
    const body = { task_ids: taskIds.map(checkedId), name };
    return this.#call("POST", "/api/v2/tasks/archive", jsonBody(body), options, (answer) => answer);
  }

  /** Return a batch with the number of its tasks by state; `ApiError` 404 if there is none. */
  batch(batchId: string, options?: CallOptions): Promise<Batch> {
    return this.#call("GET", batchPath(batchId), {}, options);
  }

  /** Let no more tasks be added to a batch: once all have ended, `onBatchFinished` is called. */
  closeBatch(batchId: string, options?: CallOptions): Promise<Batch> {
    return this.#call("POST", `${batchPath(batchId)}/close`, {}, options);
  }

  /** Close a batch and cancel its tasks that have not ended. */
  cancelBatch(batchId: string, options?: CallOptions): Promise<Batch> {
    return this.#call("POST", `${batchPath(batchId)}/cancel`, {}, options);
  }

  /** Delete all tasks of a batch with their images. */
  deleteBatch(batchId: string, options?: CallOptions): Promise<DeletedTasks> {
    return this.#call("DELETE", batchPath(batchId), {}, options);
  }

  /** Queue the same photo with the same options as a new task. */
  async retry(taskId: number, idempotencyKey: string = uuid(), options?: CallOptions): Promise<TaskDetail> {
    const headers = { "Idempotency-Key": idempotencyKey };
    return this.#task("POST", `/api/v2/tasks/${checkedId(taskId)}/retry`, { headers }, options);
  }

  /** List the presets with the rules of each marketplace; `custom` first. */
  async presets(options?: CallOptions): Promise<Preset[]> {
    return (await this.#call<Schemas["PresetList"]>("GET", "/api/v2/presets", {}, options)).presets;
  }

  /** List the engines except `auto`: available ones first, in the order in which `auto` prefers them. */
  async engines(options?: CallOptions): Promise<EngineInfo[]> {
    return (await this.#call<Schemas["EngineList"]>("GET", "/api/v2/engines", {}, options)).engines;
  }

  /** Return the configuration for clients: the transport and the polling interval. */
  config(options?: CallOptions): Promise<ClientConfig> {
    return this.#call("GET", "/api/v2/config", {}, options);
  }

  /** Return the messages after a cursor; null requests a snapshot of the tasks. */
  async sync(since: string | null, options?: CallOptions): Promise<SyncAnswer> {
    const query = new URLSearchParams({ since: since ?? "" });
    const answer = parseSyncAnswer(await this.#call("GET", `/api/v2/events?${query}`, {}, options));
    return { ...answer, messages: answer.messages.map((message) => this.#address.message(message)) };
  }

  /** Exchange the session's token for one that is valid only for opening the WebSocket. */
  wsToken(options?: CallOptions): Promise<SocketToken> {
    return this.#call("POST", "/api/v2/ws-token", {}, options);
  }

  /**
   * Call any other route, such as one for operators: `path` with its query, `body` as JSON. A token that lacks the
   * route's scope is still good for the user's own tasks, so it is not reported as refused.
   */
  call<T>(method: string, path: string, body?: unknown, options?: CallOptions): Promise<T> {
    const isRefusal = ({ status }: ApiError): boolean => status === 401;
    return this.#call(method, path, body === undefined ? {} : jsonBody(body), options, json<T>, isRefusal);
  }

  /** Return a guest token, where guests are allowed; with a guest's current token, for the same guest. */
  guestToken(current: string | null = null, options?: CallOptions): Promise<GuestToken> {
    return this.#within(options, async (signal) => json(await this.#send("POST", "/api/v2/guest-token", { signal }, current)));
  }

  /** Return how people sign in on the page; no token is needed. */
  signInOptions(options?: CallOptions): Promise<SignInOptions> {
    return this.#within(options, async (signal) => json(await this.#send("GET", "/api/v2/sign-in", { signal }, null)));
  }

  /** End a token's session everywhere; return the page that ends the issuer's session too, null for none. */
  endSession(token: string, options?: CallOptions): Promise<string | null> {
    return this.#within(options, async (signal) => {
      const answer = await json<Schemas["SignedOut"]>(await this.#send("POST", "/auth/logout", { signal }, token));
      return answer.issuer_logout_url;
    });
  }

  /**
   * Fetch an image by its signed link. The file has the server's name where the response exposes it, else one derived
   * from `filename` (of the photo). `ApiError` 410 if the link has expired: get the task for a new one.
   */
  image(link: string, options: CallOptions & { image?: ImageName; filename?: string | undefined } = {}): Promise<File> {
    return this.#within(options, async (signal, restart) => {
      const url = new URL(this.#address.resolve(link));
      url.searchParams.set("download", "true");
      const answer = await this.#send("GET", url.href, { signal }, null);
      const bytes = Number(answer.headers.get("Content-Length") ?? LARGEST_BYTES);
      restart(options.timeoutMs ?? this.#timeoutMs + bytes / SLOWEST_BYTES_PER_MS);
      return fileOf(answer, options.image ?? "result", options.filename ?? "");
    });
  }

  /** Return the session's token within the timeout. */
  token(options?: CallOptions): Promise<string> {
    return this.#within(options, async () => this.#options.token());
  }

  /**
   * Return milliseconds since 1970 by the gateway's clock; null before the first response. Compare expiry times with
   * this: the device's clock may be off. Other origins can't read the `Date` header unless the server exposes it.
   */
  serverTime(): number | null {
    return this.#serverTime.now();
  }

  /** Abort all calls in progress: they reject with an `ApiError` of the code `discarded`. */
  discard(): void {
    this.#session.abort(discarded());
    this.#session = new AbortController();
  }

  get #timeoutMs(): number {
    return this.#options.timeoutMs ?? TIMEOUT_MS;
  }

  #within<T>(
    options: CallOptions | undefined,
    act: (signal: AbortSignal, restart: (timeoutMs: number) => void) => Promise<T>,
  ): Promise<T> {
    const signals = [this.#session.signal, options?.signal];
    const timeoutMs = options?.timeoutMs ?? this.#timeoutMs;
    return bounded(act, { clock: this.#options.clock ?? systemClock, timeoutMs, signals });
  }

  async #create(
    path: string,
    form: FormData,
    bytes: number,
    newTask: NewTaskOptions,
    more: Query = {},
  ): Promise<Submitted> {
    const { idempotencyKey = uuid(), mask, hints = [], moreOptions = [], batchId, runAt, signal, timeoutMs, keepalive, ...options } = newTask;
    for (const [name, value] of Object.entries(options)) {
      // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition -- JavaScript callers may pass null
      if (value !== null && value !== undefined) form.append(name, typeof value === "object" ? JSON.stringify(value) : String(value));
    }
    if (mask !== undefined) form.append("mask", mask);
    // Older gateways lack the field, but some servers treat a form without fields as missing.
    if (hints.length > 0 || form.keys().next().done) form.append("hints", JSON.stringify(hints));
    if (moreOptions.length > 0) form.append("more_options", JSON.stringify(moreOptions));
    const headers = { "Idempotency-Key": idempotencyKey };
    const sent = bytes + (mask?.size ?? 0);
    const limits = { signal, keepalive, timeoutMs: timeoutMs ?? this.#timeoutMs + sent / SLOWEST_BYTES_PER_MS };
    const query = queryOf({ ...more, batch_id: batchId, run_at: runAt?.toISOString() });
    const init = { body: form, headers };
    const answer = await this.#call<TaskDetail & Partial<Submitted>>("POST", `/api/v2/tasks${path}${query}`, init, limits);
    const others = answer.more_tasks ?? []; // Older gateways lack it.
    return { ...this.#address.detail(answer), more_tasks: others.map((each) => this.#address.detail(each)) };
  }

  async #task(method: string, path: string, init: RequestInit, options?: CallOptions): Promise<TaskDetail> {
    return this.#address.detail(await this.#call<TaskDetail>(method, path, init, options));
  }

  #call<T>(
    method: string,
    path: string,
    init: RequestInit,
    options?: CallOptions,
    read: (answer: Response) => T | Promise<T> = json<T>,
    isRefusal: (error: ApiError) => boolean = ({ tokenRefused }) => tokenRefused,
  ): Promise<T> {
    return this.#within(options, async (signal) => {
      const { token, onTokenRefused } = this.#options;
      const request = { ...init, signal, keepalive: options?.keepalive ?? false };
      const send = async (value: string): Promise<T> => read(await this.#send(method, path, request, value));
      const first = await token();
      try {
        return await send(first);
      } catch (error) {
        if (signal.aborted || !(error instanceof ApiError) || !isRefusal(error)) throw error;
        onTokenRefused?.(first);
        const second = await token();
        if (second === first) throw error;
        return await send(second);
      }
    });
  }

  async #send(method: string, path: string, init: RequestInit, token: string | null): Promise<Response> {
    const headers = new Headers(init.headers);
    if (token !== null) headers.set("Authorization", `Bearer ${token}`);
    let answer: Response;
    try {
      answer = await this.#options.fetch(this.#address.resolve(path), { ...init, method, headers });
    } catch (error) {
      if (init.signal?.aborted) throw error;
      const offline = this.#options.online?.() === false;
      if (offline) throw new ApiError(0, "offline", "this device is offline");
      throw new ApiError(0, "network", "the server is unreachable; is it running?");
    }
    this.#serverTime.record(answer.headers.get("Date"));
    if (!answer.ok) throw await problemOf(answer);
    return answer;
  }
}

type Query = Record<string, string | number | boolean | undefined>;

function jsonBody(value: unknown): RequestInit {
  return { body: JSON.stringify(value), headers: { "Content-Type": "application/json" } };
}

/** Return the defined fields as a query with its question mark; empty if there are none. */
function queryOf(fields: Query): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined) query.set(name, String(value));
  }
  return query.size === 0 ? "" : `?${query}`;
}

function batchPath(batchId: string): string {
  return `/api/v2/batches/${encodeURIComponent(batchId)}`;
}

/** Return the error of calls that belong to a previous user. */
export function discarded(): ApiError {
  return new ApiError(0, "discarded", "the response belongs to a previous session and was discarded; make the call again");
}

async function json<T>(answer: Response): Promise<T> {
  if (answer.status === 204) return undefined as T;
  return (await received(answer.json())) as T;
}
