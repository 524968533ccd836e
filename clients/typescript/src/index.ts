export { createClient, type ClientOptions, type DownloadOptions, type WhitebgClient } from "./client.ts";
export type { ConnectionState, ConnectionStatus } from "./connection.ts";
export type { Clock, Environment, Timer, WebSocketConstructor } from "./environment.ts";
export type { ImageName } from "./files.ts";
export {
  type ClientConfig,
  type DeletedTasks,
  type GuestToken,
  type Hint,
  HttpClient,
  type HttpOptions,
  type ListOptions,
  type EngineInfo,
  type Preset,
  type Review,
  type ReviewedTasks,
  type Schemas,
  type SignInOptions,
  type SocketToken,
  type Submitted,
  type SubmitOptions,
  type TaskDetail,
  type TaskFilter,
  type TaskOptions,
  type TaskPage,
  type TokenSource,
  type VersionOptions,
} from "./http.ts";
export { uuid } from "./ids.ts";
export type { LatencyFigures } from "./latency.ts";
export type { CallOptions } from "./limits.ts";
export type { Batch, SyncAnswer, TaskData, TaskMessage } from "./messages.ts";
export { hasEnded } from "./ordering.ts";
export { ApiError } from "./problem.ts";
export { type Readable, Store } from "./store.ts";
export { ALL_TASKS, type TaskHandlers } from "./subscriptions.ts";
export type { Task, TaskMap } from "./tasks.ts";
