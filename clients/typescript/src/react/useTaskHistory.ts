import { useCallback, useEffect, useMemo, useRef, useState } from "react";

import { ApiError, type Task, type TaskPage } from "../index.ts";
import { useReadable, useWhitebgClient } from "./context.tsx";

export interface TaskHistory {
  /** Newest first, back to the last page that was fetched. */
  tasks: readonly Task[];
  isLoading: boolean;
  /** Why the last fetch failed; null if it did not. */
  error: unknown;
  /** Whether there are older tasks, for `loadMore` to fetch. */
  hasMore: boolean;
  loadMore: () => void;
  /** Fetch the newest page again, such as after an error; where the server was away that happens by itself. */
  reload: () => void;
}

interface Fetched {
  /** The oldest task of the pages; 0 once there are no older ones, null before the first page. */
  oldest: number | null;
  isLoading: boolean;
  error: unknown;
}

const AGAIN_MS = 2_000;

/** Return the tasks, fetched once at the start and after each snapshot; between those, messages keep them true. */
export function useTaskHistory(options: { limit?: number; enabled?: boolean } = {}): TaskHistory {
  const { limit = 100, enabled = true } = options;
  const client = useWhitebgClient();
  const snapshots = useReadable(client.snapshots);
  const known = useReadable(client.tasks);
  const [reloads, setReloads] = useState(0);
  const [fetched, setFetched] = useState<Fetched>({ oldest: null, isLoading: enabled, error: null });
  const latest = useRef<AbortController | null>(null);

  const fetchPage = useCallback(
    async (skip: number): Promise<void> => {
      latest.current?.abort();
      const own = (latest.current = new AbortController());
      setFetched((before) => ({ ...before, isLoading: true, error: null }));
      try {
        const page = await client.http.list({ skip, limit });
        if (own.signal.aborted) return;
        client.learn(...page.tasks);
        setFetched(({ oldest }) => ({ oldest: oldestOf(page, oldest), isLoading: false, error: null }));
      } catch (error) {
        if (!own.signal.aborted) setFetched((before) => ({ ...before, isLoading: false, error }));
      }
    },
    [client, limit],
  );

  useEffect(() => {
    if (!enabled) return undefined;
    void fetchPage(0);
    return () => latest.current?.abort();
  }, [fetchPage, enabled, snapshots, reloads]);

  const reload = useCallback(() => setReloads((count) => count + 1), []);
  const { oldest, isLoading, error } = fetched;
  useEffect(() => {
    if (!enabled || !(error instanceof ApiError) || !error.retryable) return undefined;
    const timer = setTimeout(reload, error.retryAfterMs ?? AGAIN_MS);
    return () => clearTimeout(timer);
  }, [enabled, error, reload]);

  const tasks = useMemo(() => {
    const sorted = [...known.values()].sort((a, b) => b.id - a.id);
    // A snapshot tells of all that are kept, perhaps thousands: who shows them did not ask for those yet.
    return oldest === null ? sorted.slice(0, limit) : sorted.filter(({ id }) => id >= oldest);
  }, [known, oldest, limit]);
  const loadMore = useCallback(() => void fetchPage(tasks.length), [fetchPage, tasks.length]);
  const hasMore = oldest !== null && oldest > 0;
  return useMemo(
    () => ({ tasks, isLoading, error, hasMore, loadMore, reload }),
    [tasks, isLoading, error, hasMore, loadMore, reload],
  );
}

function oldestOf({ tasks, skip, total }: TaskPage, before: number | null): number {
  const last = tasks.at(-1)?.task_id;
  if (last === undefined || skip + tasks.length >= total) return 0;
  return Math.min(last, before ?? last);
}
