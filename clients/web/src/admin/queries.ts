/** Reads and changes of the page for operators. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { ApiError } from "@whitebg/client";

import { useAdmin } from "./context";

export const QUEUE = ["queue"];
const USERS = ["users"];
/** Without a socket, and for changes that no event reports, such as another operator's pause. */
const QUEUE_EVERY_MS = 10_000;
const USERS_EVERY_MS = 30_000;

/** Whether the caller is no operator. */
export function isForbidden(error: unknown): boolean {
  return error instanceof ApiError && error.status === 403;
}

const retry = (failures: number, error: Error): boolean => !isForbidden(error) && failures < 3;

export function useQueue() {
  const { api } = useAdmin();
  return useQuery({
    queryKey: QUEUE,
    queryFn: ({ signal }) => api.queue(signal),
    refetchInterval: (query) => (isForbidden(query.state.error) ? false : QUEUE_EVERY_MS),
    retry,
  });
}

export function useUsers() {
  const { api } = useAdmin();
  return useQuery({ queryKey: USERS, queryFn: ({ signal }) => api.users(signal), refetchInterval: USERS_EVERY_MS, retry });
}

/** Make a change of the queue, then read it again. */
export function useChange<T>(change: (argument: T) => Promise<unknown>) {
  const queries = useQueryClient();
  return useMutation({ mutationFn: change, onSettled: () => queries.invalidateQueries({ queryKey: QUEUE }) });
}
