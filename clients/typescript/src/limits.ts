/** Bounds calls: each settles within its timeout, or earlier when a signal is aborted. */
import type { Clock } from "./environment.ts";
import { ApiError } from "./problem.ts";

export interface CallOptions {
  /** Aborts the call: it rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Milliseconds after which the call rejects with an `ApiError` of the code `timed_out`. */
  timeoutMs?: number | undefined;
  /** Whether the request goes on when the page is closed; its body has at most 64 KiB then. */
  keepalive?: boolean | undefined;
}

export interface Limits {
  clock: Clock;
  timeoutMs: number;
  /** Each can abort the call. */
  signals: readonly (AbortSignal | undefined)[];
}

/** Run `act` with a signal for its operations and a function that restarts the timeout with another length. */
export function bounded<T>(
  act: (signal: AbortSignal, restart: (timeoutMs: number) => void) => Promise<T>,
  { clock, timeoutMs, signals }: Limits,
): Promise<T> {
  const own = new AbortController();
  let end = (): void => undefined;
  const settled = new Promise<T>((resolve, reject) => {
    const stop = (reason: unknown): void => {
      own.abort(reason);
      end();
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- the caller chose the reason
      reject(reason);
    };
    const expire = (): void => stop(new ApiError(0, "timed_out", "the server did not respond in time; try again later"));
    let timer = clock.setTimeout(expire, timeoutMs);
    const listeners = signals.map((signal) => {
      const listener = (): void => stop(signal?.reason);
      signal?.addEventListener("abort", listener);
      return () => signal?.removeEventListener("abort", listener);
    });
    end = () => {
      clock.clearTimeout(timer);
      for (const remove of listeners) remove();
    };
    const aborted = signals.find((signal) => signal?.aborted);
    if (aborted !== undefined) return stop(aborted.reason);
    const restart = (milliseconds: number): void => {
      clock.clearTimeout(timer);
      timer = clock.setTimeout(expire, milliseconds);
    };
    act(own.signal, restart).then(resolve, reject);
  });
  return settled.finally(() => end());
}
