export { createClient, type ClientOptions, type WhitebgClient } from "./client.ts";
export type { ConnectionState, ConnectionStatus } from "./connection.ts";
export type { Clock, Environment, Timer, WebSocketConstructor } from "./environment.ts";
export {
  type ClientConfig,
  type GuestToken,
  HttpClient,
  type HttpOptions,
  type Preset,
  type SocketToken,
  type SubmitOptions,
  type TaskDetail,
  type TaskFilter,
  type TaskOptions,
  type TaskPage,
  type TokenSource,
} from "./http.ts";
export type { LatencyFigures } from "./latency.ts";
export type { SyncAnswer, TaskData, TaskMessage } from "./messages.ts";
export { hasEnded } from "./ordering.ts";
export { ApiError } from "./problem.ts";
export { type Readable, Store } from "./store.ts";
export { ALL_TASKS, type TaskHandlers } from "./subscriptions.ts";
export type { Task, TaskMap } from "./tasks.ts";
