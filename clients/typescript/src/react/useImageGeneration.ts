import { useCallback, useEffect, useMemo, useRef, useState } from "react";

import type { SubmitOptions, TaskDetail } from "../index.ts";
import { useWhitebgClient } from "./context.tsx";

/** A photo that is on its way, shown before the server knows of it. */
export interface OptimisticTask {
  /** By this it turns into its task, and a submission can be repeated. */
  readonly idempotencyKey: string;
  readonly photo: Blob;
}

export interface ImageGeneration {
  /** Photos on their way. Each is gone as soon as its task is among the tasks, or it failed. */
  pending: readonly OptimisticTask[];
  /** Why the latest submission failed; null if it did not. */
  error: unknown;
  /** Submit a photo; an `ApiError` if that fails, and the photo is no longer pending. */
  submit: (photo: Blob, options?: SubmitOptions) => Promise<TaskDetail>;
}

/** Submit photos that show at once. */
export function useImageGeneration(): ImageGeneration {
  const client = useWhitebgClient();
  const [pending, setPending] = useState<readonly OptimisticTask[]>([]);
  const [error, setError] = useState<unknown>(null);
  const mounted = useRef(false);
  useEffect(() => {
    mounted.current = true;
    return () => {
      mounted.current = false;
    };
  }, []);

  const submit = useCallback(
    async (photo: Blob, options: SubmitOptions = {}): Promise<TaskDetail> => {
      const idempotencyKey = options.idempotencyKey ?? crypto.randomUUID();
      setError(null);
      const without = (tasks: readonly OptimisticTask[]): readonly OptimisticTask[] =>
        tasks.filter((task) => task.idempotencyKey !== idempotencyKey);
      setPending((before) => [...without(before), { idempotencyKey, photo }]);
      try {
        return await client.submit(photo, { ...options, idempotencyKey });
      } catch (failure) {
        if (mounted.current) setError(failure);
        throw failure;
      } finally {
        if (mounted.current) setPending(without);
      }
    },
    [client],
  );
  return useMemo(() => ({ pending, error, submit }), [pending, error, submit]);
}
