import type { Task, TaskDetail } from "@whitebg/client";

import { DEFAULTS } from "../src/model/options";
import type { Upload } from "../src/model/uploads";

type Data = Task["data"];

export function data(change: Partial<Data> = {}): Data {
  return {
    status: "processing",
    progress: 40,
    result_image_url: null,
    elapsed_time: 1,
    estimated_remaining_seconds: 3,
    error_message: null,
    error_code: null,
    updated_at: "2026-01-08T10:00:01.000Z",
    attempt: 1,
    stage: "refining",
    queue_position: 0,
    filename: "cup.jpg",
    ...change,
  };
}

export function task(id: number, change: Partial<Data> = {}): Task {
  return { id, data: data(change), detail: null };
}

export function detail(id: number, change: Partial<TaskDetail> = {}): TaskDetail {
  return {
    ...(data() as TaskDetail),
    task_id: id,
    state: "completed",
    status: "completed",
    seq: 3,
    options: { ...DEFAULTS, preset: "amazon", format: null, size_px: null, margin: null, background: null, content: "picture", prompt: "", rotation: 0, move_x: 0, move_y: 0, scale: 1, crop: null, hints: [] },
    result: null,
    source_task_id: null,
    created_at: "2026-01-08T10:00:00.000Z",
    ...change,
  };
}

export function upload(key: string, change: Partial<Upload> = {}): Upload {
  return {
    key,
    file: new File(["photo"], "cup.jpg"),
    options: DEFAULTS,
    batch: null,
    preview: `blob:${key}`,
    state: "sending",
    problem: null,
    mayBeTaken: true,
    cancelled: false,
    addedAt: 0,
    after: 0,
    taskId: null,
    ...change,
  };
}
