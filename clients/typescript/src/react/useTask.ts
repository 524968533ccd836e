import { useCallback, useEffect, useRef, useSyncExternalStore } from "react";

import type { Task, TaskHandlers } from "../index.ts";
import { useWhitebgClient } from "./context.tsx";

/** Return the state of a task, null if unknown, and call the latest handlers for its updates. */
export function useTask(taskId: number | null, handlers: TaskHandlers = {}): Task | null {
  const client = useWhitebgClient();
  const latest = useRef(handlers);
  useEffect(() => {
    latest.current = handlers;
  });
  useEffect(() => {
    if (taskId === null) return undefined;
    // The subscription outlives the handlers, which may differ at each rendering.
    return client.subscribe(taskId, {
      onUpdate: (task) => latest.current.onUpdate?.(task),
      onComplete: (task) => latest.current.onComplete?.(task),
      onFailed: (task) => latest.current.onFailed?.(task),
      onDeleted: (task) => latest.current.onDeleted?.(task),
    });
  }, [client, taskId]);
  const read = useCallback(() => client.tasks.read().get(taskId ?? 0) ?? null, [client, taskId]); // No task has the id 0.
  return useSyncExternalStore(client.tasks.watch, read, read);
}
