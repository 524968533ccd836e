import { useCallback, useEffect, useMemo, useRef, useState } from "react";

import { type SubmitOptions, type TaskDetail, uuid } from "../index.ts";
import { useWhitebgClient } from "./context.tsx";

/** A photo being submitted, shown before its task exists. */
export interface OptimisticTask {
  /** Identifies the submission, so that it can be repeated. */
  readonly idempotencyKey: string;
  readonly photo: Blob;
}

export interface ImageGeneration {
  /** Photos being submitted. Each is removed when its task is among the tasks, or its submission has failed. */
  pending: readonly OptimisticTask[];
  /** Error of the latest submission; null if there is none. */
  error: unknown;
  /** Submit a photo; rejects with an `ApiError` on failure, and the photo is no longer pending. */
  submit: (photo: Blob, options?: SubmitOptions) => Promise<TaskDetail>;
}

/** Submit photos and show them at once. */
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
      const idempotencyKey = options.idempotencyKey ?? uuid();
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
