import { useCallback, useEffect, useMemo, useRef, useState } from "react";

import { ApiError, hasEnded, type Task, type TaskPage } from "../index.ts";
import { useReadable, useWhitebgClient } from "./context.tsx";

export interface TaskHistory {
  /** Newest first, back to the last page that was fetched; also older ones that have not ended. */
  tasks: readonly Task[];
  isLoading: boolean;
  /** Error of the last fetch; null if there is none. */
  error: unknown;
  /** Whether there are older tasks, for `loadMore` to fetch. */
  hasMore: boolean;
  loadMore: () => void;
  /** Fetch the newest page again, such as after an error; automatic if the server was unavailable. */
  reload: () => void;
}

interface Fetched {
  /** Oldest task of the pages; 0 once there are no older ones, null before the first page. */
  oldest: number | null;
  isLoading: boolean;
  error: unknown;
}

const AGAIN_MS = 2_000;

/** Return the tasks, fetched once at the start and after each snapshot; messages update them in between. */
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
        const first = skip === 0 ? client.takeFirstPage() : null;
        const page = first?.limit === limit ? first : await client.list({ skip, limit, signal: own.signal });
        if (own.signal.aborted) return;
        setFetched(({ oldest }) => ({ oldest: oldestOf(page, oldest), isLoading: false, error: null }));
      } catch (error) {
        if (!own.signal.aborted) setFetched((before) => ({ ...before, isLoading: false, error }));
      }
    },
    [client, limit],
  );

  const isFetchedElsewhere = client.fetchesFirst && snapshots === 0;
  useEffect(() => {
    if (!enabled || isFetchedElsewhere) return undefined;
    void fetchPage(0);
    return () => latest.current?.abort();
  }, [fetchPage, enabled, isFetchedElsewhere, snapshots, reloads]);

  const reload = useCallback(() => setReloads((count) => count + 1), []);
  const { oldest, isLoading, error } = fetched;
  useEffect(() => {
    if (!enabled || !(error instanceof ApiError) || !error.retryable) return undefined;
    const timer = setTimeout(reload, error.retryAfterMs ?? AGAIN_MS);
    return () => clearTimeout(timer);
  }, [enabled, error, reload]);

  const tasks = useMemo(() => {
    const sorted = [...known.values()].sort((a, b) => b.id - a.id);
    // A snapshot has all stored tasks, perhaps thousands: return only those of the pages fetched so far.
    return sorted.filter(({ id, data }, at) => (oldest === null ? at < limit : id >= oldest) || !hasEnded(data));
  }, [known, oldest, limit]);
  const paged = oldest === null ? 0 : tasks.filter(({ id }) => id >= oldest).length;
  const loadMore = useCallback(() => void fetchPage(paged), [fetchPage, paged]);
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
