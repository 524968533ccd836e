/** The HTTP API of the gateway: each call with the caller's token, each failure an `ApiError`. */
import type { TaskDetail, TaskMessage } from "../model/task";
import { ApiError } from "./problem";

export interface Options {
  preset: string;
  format: string;
  engine: string;
  /** 0.3 to 1; null leaves it to the preset. */
  fill: number | null;
}

export interface TaskPage {
  tasks: TaskDetail[];
  total: number;
}

export interface ClientConfig {
  transport: "websocket" | "polling";
  polling_interval_ms: number;
}

export interface Missed {
  mode: "replay" | "snapshot";
  messages: TaskMessage[];
  cursor: string;
  has_more: boolean;
}

type Call = Omit<RequestInit, "headers"> & { headers?: Record<string, string> };

export class Gateway {
  /** `token` is asked at every call; `refused` hears of one that the gateway does not take. */
  constructor(
    private readonly token: () => Promise<string>,
    private readonly refused: (token: string) => void,
  ) {}

  /** Send a photo. The same key always means the same task, so this can be repeated. */
  submit(photo: File, options: Options, key: string, signal: AbortSignal): Promise<TaskDetail> {
    const form = new FormData();
    form.append("file", photo, photo.name);
    form.append("preset", options.preset === "custom" ? "" : options.preset);
    form.append("format", options.format);
    form.append("engine", options.engine);
    if (options.fill !== null) form.append("fill", options.fill.toFixed(2));
    return this.#call("/api/v2/tasks/async", { method: "POST", body: form, headers: { "Idempotency-Key": key }, signal });
  }

  list(skip: number, limit: number): Promise<TaskPage> {
    return this.#call(`/api/generation/tasks?skip=${skip}&limit=${limit}`);
  }

  task(id: number): Promise<TaskDetail> {
    return this.#call(`/api/generation/tasks/${id}`);
  }

  cancel(id: number): Promise<TaskDetail> {
    return this.#call(`/api/v2/tasks/${id}/cancel`, { method: "POST" });
  }

  /** Make a new task with the photo of one that has ended. */
  retry(id: number, key: string): Promise<TaskDetail> {
    return this.#call(`/api/v2/tasks/${id}/retry`, { method: "POST", headers: { "Idempotency-Key": key } });
  }

  config(): Promise<ClientConfig> {
    return this.#call("/api/v2/config");
  }

  /** Return what was missed since a cursor; for pages that have no WebSocket. */
  sync(since: string | null): Promise<Missed> {
    const body = JSON.stringify({ since });
    return this.#call("/api/messages/sync", { method: "POST", body, headers: { "Content-Type": "application/json" } });
  }

  async #call<T>(path: string, init: Call = {}, again = true): Promise<T> {
    const token = await this.token();
    let answer: Response;
    try {
      answer = await fetch(path, { ...init, headers: { ...init.headers, Authorization: `Bearer ${token}` } });
    } catch (error) {
      if (init.signal?.aborted === true) throw error;
      throw new ApiError(0, navigator.onLine ? "service_unavailable" : "offline", String(error));
    }
    if (answer.ok) return (await answer.json()) as T;
    if (answer.status === 401 && again) {
      this.refused(token);
      return this.#call(path, init, false);
    }
    throw await errorOf(answer);
  }
}

async function errorOf(answer: Response): Promise<ApiError> {
  const retryAfter = Number(answer.headers.get("Retry-After")) || null;
  try {
    const { error } = (await answer.json()) as { error: { code: string; message: string } };
    return new ApiError(answer.status, error.code, error.message, retryAfter);
  } catch {
    return new ApiError(answer.status, "", answer.statusText, retryAfter);
  }
}
