/** The same call for many photos: few at a time, in order, and again later where the server asks for a pause. */
import { ApiError } from "@whitebg/client";

const AT_ONCE = 4;
const ATTEMPTS = 8;
const PAUSE_MS = 2_000;

/** Call `act` for each item; throws the first error after all calls have ended. */
export async function forEach<T>(items: readonly T[], act: (item: T) => Promise<unknown>): Promise<void> {
  const left = items.values();
  const errors: unknown[] = [];
  const work = async (): Promise<void> => {
    for (const item of left) {
      try {
        await patiently(() => act(item));
      } catch (error) {
        errors.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, items.length) }, work));
  if (errors.length > 0) throw errors[0];
}

/** Call `act` until it succeeds; throws its error where that is permanent, or after so many attempts. */
export async function patiently(act: () => Promise<unknown>, attempts = ATTEMPTS): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await act();
      return;
    } catch (error) {
      if (!(error instanceof ApiError) || !error.retryable || attempt === attempts) throw error;
      await new Promise((resolve) => setTimeout(resolve, error.retryAfterMs ?? PAUSE_MS * Math.min(attempt, ATTEMPTS)));
    }
  }
}
