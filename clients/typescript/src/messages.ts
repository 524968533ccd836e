/** The gateway's messages, validated on arrival: other modules receive only the shapes declared here. */
import * as v from "valibot";

const BatchSchema = v.object({
  batch_id: v.string(),
  created_at: v.string(),
  closed: v.boolean(),
  finished_at: v.nullable(v.string()),
  total: v.number(),
  pending: v.number(),
  processing: v.number(),
  completed: v.number(),
  failed: v.number(),
  timed_out: v.number(),
  cancelled: v.number(),
});

const TaskDataSchema = v.object({
  status: v.picklist(["pending", "processing", "completed", "failed"]),
  /** Percent, 0 to 100. */
  progress: v.number(),
  result_image_url: v.nullable(v.string()),
  /** Seconds. */
  elapsed_time: v.nullable(v.number()),
  estimated_remaining_seconds: v.nullable(v.number()),
  error_message: v.nullable(v.string()),
  updated_at: v.string(),
  attempt: v.number(),
  stage: v.string(),
  queue_position: v.number(),
  error_code: v.nullable(v.string()),
  /** Why a waiting task can't run at present, and when that is expected to end, if known. */
  wait_reason: v.optional(v.nullable(v.string())),
  waiting_until: v.optional(v.nullable(v.string())),
  /** Absent in progress updates. */
  seq: v.optional(v.number()),
  filename: v.optional(v.string()),
  /** The owner's decision on the result; only of a completed task. */
  review: v.optional(v.nullable(v.picklist(["open", "accepted", "rejected"]))),
  /** A closed batch that has ended; the task is its newest one, unchanged. */
  batch: v.optional(v.nullable(BatchSchema)),
  /** The task was deleted, however it had ended. */
  deleted: v.optional(v.nullable(v.literal(true))),
});

const TaskMessageSchema = v.object({
  type: v.picklist(["task_update", "task_complete", "task_failed"]),
  id: v.optional(v.nullable(v.string())),
  task_id: v.number(),
  timestamp: v.string(),
  data: TaskDataSchema,
});

const Sync = { mode: v.picklist(["replay", "snapshot"]), reason: v.nullable(v.string()) };

const ServerMessageSchema = v.variant("type", [
  TaskMessageSchema,
  v.object({ type: v.literal("pong") }),
  v.object({ type: v.literal("hello"), protocol: v.string(), user_id: v.string() }),
  v.object({ type: v.literal("sync_begin"), ...Sync }),
  v.object({ type: v.literal("sync_end"), ...Sync, head: v.string() }),
  v.object({ type: v.literal("bookmark"), id: v.string() }),
  v.object({ type: v.literal("token_expiring"), expires_in_seconds: v.number() }),
  v.object({ type: v.literal("service"), available: v.boolean() }),
  v.object({ type: v.literal("queue_changed") }),
  v.object({ type: v.literal("going_away"), retry_after_ms: v.number() }),
  v.object({ type: v.literal("error"), code: v.string(), message: v.string() }),
]);

const SyncAnswerSchema = v.object({
  ...Sync,
  messages: v.array(TaskMessageSchema),
  cursor: v.string(),
  has_more: v.boolean(),
});

/** Tasks that were submitted together, and how many there are in each state. Deleted tasks are not counted. */
export type Batch = v.InferOutput<typeof BatchSchema>;
export type TaskData = v.InferOutput<typeof TaskDataSchema>;
export type TaskMessage = v.InferOutput<typeof TaskMessageSchema>;
export type ServerMessage = v.InferOutput<typeof ServerMessageSchema>;
export type SyncAnswer = v.InferOutput<typeof SyncAnswerSchema>;

export type ClientMessage =
  | { type: "ping" }
  | { type: "sync"; since?: string }
  | { type: "ack"; message_id: string }
  | { type: "auth"; token: string }
  | { type: "watch_queue" };

/** Parse a frame; null for an unknown type, which the caller ignores: later gateways send more types. */
export function parseFrame(text: unknown): ServerMessage | null {
  if (typeof text !== "string") return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  const parsed = v.safeParse(ServerMessageSchema, value);
  return parsed.success ? parsed.output : null;
}

/** Parse the response of `GET /api/v2/events`; a `ValiError` if it is invalid. */
export function parseSyncAnswer(value: unknown): SyncAnswer {
  return v.parse(SyncAnswerSchema, value);
}
