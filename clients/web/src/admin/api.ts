/** The routes for operators. */
import type { HttpClient, Schemas } from "@whitebg/client";

export type Overview = Schemas["OverviewOut"];
export type QueueControl = Schemas["QueueControlOut"];
export type QueueStats = Schemas["QueueStats"];
export type EngineQueue = Schemas["EngineQueueOut"];
export type Failure = Schemas["FailureGroupOut"];
export type Pause = Schemas["PauseOut"];
export type AdminTask = Schemas["AdminTaskOut"];
export type Requeued = Schemas["RequeueOut"];

/** Everything about the queue, read together. */
export interface Queue {
  overview: Overview;
  control: QueueControl;
  stats: QueueStats;
  errors: readonly AdminTask[];
}

export interface UserRow {
  user: Schemas["UserOut"];
  /** Null: nothing used today. */
  usage: Schemas["UsageOut"] | null;
}

const MOST_ERRORS = 20;
const MOST_USERS = 200;

export class AdminApi {
  readonly #http: HttpClient;

  constructor(http: HttpClient) {
    this.#http = http;
  }

  async queue(signal: AbortSignal): Promise<Queue> {
    const get = <T>(path: string): Promise<T> => this.#http.call("GET", path, undefined, { signal });
    const [overview, control, stats, page] = await Promise.all([
      get<Overview>("/api/v2/admin/overview"),
      get<QueueControl>("/api/v2/admin/queue"),
      get<QueueStats>("/admin/queue/stats"),
      get<Schemas["AdminTaskPage"]>(`/api/v2/admin/tasks?state=failed&state=timeout&limit=${MOST_ERRORS}`),
    ]);
    return { overview, control, stats, errors: page.tasks };
  }

  /** Return the first users by name, with their usage of today. */
  async users(signal: AbortSignal): Promise<UserRow[]> {
    const today = new Date().toISOString().slice(0, 10);
    const [page, used] = await Promise.all([
      this.#http.call<Schemas["UserPage"]>("GET", `/api/v2/admin/users?limit=${MOST_USERS}`, undefined, { signal }),
      this.#http.call<Schemas["UsagePage"]>("GET", `/api/v2/admin/usage?from=${today}&limit=1000`, undefined, { signal }),
    ]);
    const usage = new Map(used.usage.map((each) => [each.user_id, each]));
    return page.users.map((user) => ({ user, usage: usage.get(user.user_id) ?? null }));
  }

  /** `seconds` null: until it is resumed. */
  pause(engine: string, note: string, seconds: number | null): Promise<Pause> {
    return this.#http.call("POST", "/api/v2/admin/pause", { engine, note, seconds });
  }

  resume(engine: string): Promise<void> {
    return this.#http.call("POST", "/api/v2/admin/resume", { engine });
  }

  /** Count the tasks that failed with a code (`dryRun`), or submit one page of them again. */
  requeue(code: string, from: string, { dryRun, pageToken = "" }: { dryRun: boolean; pageToken?: string }): Promise<Requeued> {
    const filter = { error_codes: [code], created_from: from };
    return this.#http.call("POST", "/api/v2/admin/requeue", { filter, dry_run: dryRun, page_token: pageToken });
  }
}
