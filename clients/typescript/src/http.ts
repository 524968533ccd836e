/** The gateway's HTTP API: each call with the caller's token, each failure an `ApiError`. */
import type { components, operations } from "./generated/openapi.ts";
import { parseSyncAnswer, type SyncAnswer } from "./messages.ts";
import { ApiError, problemOf } from "./problem.ts";

type Schemas = components["schemas"];
export type TaskDetail = Schemas["TaskOut"];
export type TaskPage = Schemas["TaskList"];
export type ClientConfig = Schemas["ClientConfig"];
export type SocketToken = Schemas["TokenOut"];
export type GuestToken = Schemas["GuestTokenOut"];
export type TaskFilter = Schemas["StatusFilter"];
export type Preset = Schemas["PresetOut"];
/** What the picture should be; what is left out, the preset decides. */
export type TaskOptions = Omit<operations["submit"]["requestBody"]["content"]["multipart/form-data"], "file">;

/** Gives the token of the session; asked before every call and every connection. */
export type TokenSource = () => string | Promise<string>;

export interface SubmitOptions extends TaskOptions {
  /** The same key always means the same task, so a submission can be repeated; made if left out. */
  idempotencyKey?: string;
  /** Left out: the name of a `File`, or `photo`. */
  filename?: string;
  signal?: AbortSignal;
}

export interface HttpOptions {
  /** Such as `https://photos.example`; empty is the page's own origin. */
  baseUrl: string;
  token: TokenSource;
  /** Hears of a token that the gateway refused, before another is asked for. */
  onTokenRefused?: ((token: string) => void) | undefined;
  fetch: typeof fetch;
  /** Whether the device may have a network; true if left out. */
  online?: () => boolean;
}

export class HttpClient {
  readonly #options: HttpOptions;

  constructor(options: HttpOptions) {
    this.#options = options;
  }

  /** Queue a photo. When this returns, photo and task are durable. */
  submit(photo: Blob, { idempotencyKey, filename, signal, ...options }: SubmitOptions = {}): Promise<TaskDetail> {
    const form = new FormData();
    form.append("file", photo, filename ?? (photo instanceof File ? photo.name : "photo"));
    for (const [name, value] of Object.entries(options)) {
      // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition -- no compiler keeps JavaScript from it
      if (value !== null && value !== undefined) form.append(name, String(value));
    }
    const headers = { "Idempotency-Key": idempotencyKey ?? crypto.randomUUID() };
    return this.#call("POST", "/api/v2/tasks/async", { body: form, headers, signal: signal ?? null });
  }

  /** List the caller's tasks, newest first. */
  list(page: { skip?: number; limit?: number; status?: TaskFilter } = {}): Promise<TaskPage> {
    const { skip = 0, limit = 50, status } = page;
    const filter = status === undefined ? "" : `&status=${status}`;
    return this.#call("GET", `/api/generation/tasks?skip=${skip}&limit=${limit}${filter}`);
  }

  get(taskId: number): Promise<TaskDetail> {
    return this.#call("GET", `/api/generation/tasks/${taskId}`);
  }

  /** Cancel a task; a second time changes nothing. `ApiError` 409 if it has already ended otherwise. */
  cancel(taskId: number): Promise<TaskDetail> {
    return this.#call("POST", `/api/v2/tasks/${taskId}/cancel`);
  }

  /** Queue the same photo with the same options as a new task. */
  retry(taskId: number, idempotencyKey: string = crypto.randomUUID()): Promise<TaskDetail> {
    return this.#call("POST", `/api/v2/tasks/${taskId}/retry`, { headers: { "Idempotency-Key": idempotencyKey } });
  }

  /** List what can be made, with the rule of each market; `custom` first. */
  async presets(): Promise<Preset[]> {
    return (await this.#call<Schemas["PresetList"]>("GET", "/api/v2/presets")).presets;
  }

  /** Ask whether to hold a WebSocket or to poll. */
  config(): Promise<ClientConfig> {
    return this.#call("GET", "/api/v2/config");
  }

  /** Return what was missed since a cursor; null for the tasks as they stand. */
  async sync(since: string | null): Promise<SyncAnswer> {
    const headers = { "Content-Type": "application/json" };
    const body = JSON.stringify({ since });
    return parseSyncAnswer(await this.#call("POST", "/api/messages/sync", { body, headers }));
  }

  /** Trade the session's token for one that opens the WebSocket and nothing else. */
  wsToken(): Promise<SocketToken> {
    return this.#call("POST", "/api/ws-token");
  }

  /** Become a guest, where guests are welcome; with the token of a guest, that guest stays the same. */
  guestToken(current: string | null = null): Promise<GuestToken> {
    return this.#send("POST", "/api/guest-token", {}, current);
  }

  async #call<T>(method: string, path: string, init: RequestInit = {}): Promise<T> {
    const { token, onTokenRefused } = this.#options;
    const first = await token();
    try {
      return await this.#send<T>(method, path, init, first);
    } catch (error) {
      if (!(error instanceof ApiError) || !error.tokenRefused) throw error;
      onTokenRefused?.(first);
      const second = await token();
      if (second === first) throw error;
      return await this.#send<T>(method, path, init, second);
    }
  }

  async #send<T>(method: string, path: string, init: RequestInit, token: string | null): Promise<T> {
    const headers = new Headers(init.headers);
    if (token !== null) headers.set("Authorization", `Bearer ${token}`);
    let answer: Response;
    try {
      answer = await this.#options.fetch(this.#options.baseUrl + path, { ...init, method, headers });
    } catch (error) {
      if (init.signal?.aborted) throw error;
      const offline = this.#options.online?.() === false;
      if (offline) throw new ApiError(0, "offline", "this device is offline; connect it, then try again");
      throw new ApiError(0, "network", "the server can't be reached; see whether it runs, then try again");
    }
    if (!answer.ok) throw await problemOf(answer);
    return (await answer.json()) as T;
  }
}
