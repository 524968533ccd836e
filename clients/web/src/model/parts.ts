/** Files of the page that are loaded later. */

const ATTEMPTS = 5;
const PAUSE_MS = 1_000;

/** Return a function that loads a part of the page, again after a failure: the gateway may be restarting. */
export function retrying<T>(load: () => Promise<T>, pauseMs = PAUSE_MS): () => Promise<T> {
  return async () => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await load();
      } catch (error) {
        if (attempt === ATTEMPTS) throw error;
        await new Promise((resolve) => setTimeout(resolve, pauseMs * attempt));
      }
    }
  };
}
