import { useCallback, useEffect, useMemo, useState } from "react";

import type { Task } from "../index.ts";
import { useReadable, useWhitebgClient } from "./context.tsx";

export interface TaskHistory {
  /** Newest first. */
  tasks: readonly Task[];
  isLoading: boolean;
  /** Why the last fetch failed; null if it did not. */
  error: unknown;
  /** Fetch again, such as after an error. */
  reload: () => void;
}

/** Return the tasks, fetched once at the start and after each snapshot; between those, messages keep them true. */
export function useTaskHistory(options: { limit?: number; enabled?: boolean } = {}): TaskHistory {
  const { limit = 100, enabled = true } = options;
  const client = useWhitebgClient();
  const snapshots = useReadable(client.snapshots);
  const known = useReadable(client.tasks);
  const [reloads, setReloads] = useState(0);
  const [fetch, setFetch] = useState<Pick<TaskHistory, "isLoading" | "error">>({ isLoading: enabled, error: null });

  useEffect(() => {
    if (!enabled) return undefined;
    let wanted = true;
    const settle = (error: unknown): void => {
      if (wanted) setFetch({ isLoading: false, error });
    };
    setFetch({ isLoading: true, error: null });
    client.http.list({ limit }).then((page) => {
      if (wanted) client.learn(...page.tasks);
      settle(null);
    }, settle);
    return () => {
      wanted = false;
    };
  }, [client, limit, enabled, snapshots, reloads]);

  const tasks = useMemo(() => [...known.values()].sort((a, b) => b.id - a.id), [known]);
  const reload = useCallback(() => setReloads((count) => count + 1), []);
  return useMemo(() => ({ tasks, ...fetch, reload }), [tasks, fetch, reload]);
}
