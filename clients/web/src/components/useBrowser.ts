/** What the browser reports about the page, and asks before it is closed. */
import { useEffect, useSyncExternalStore } from "react";

/** Return whether the device has a network connection. */
export function useOnline(): boolean {
  return useSyncExternalStore(
    (changed) => {
      window.addEventListener("online", changed);
      window.addEventListener("offline", changed);
      return () => {
        window.removeEventListener("online", changed);
        window.removeEventListener("offline", changed);
      };
    },
    () => navigator.onLine,
  );
}

/** Ask before the page is closed while photos are not uploaded yet, because only this page has them. */
export function useLeaveWarning(needed: boolean): void {
  useEffect(() => {
    if (!needed) return undefined;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener("beforeunload", ask);
    return () => window.removeEventListener("beforeunload", ask);
  }, [needed]);
}

/** Call `act` when the page is closed, reloaded or left, or put away by a phone; `act` must stay the same. */
export function usePageHide(act: () => void): void {
  useEffect(() => {
    window.addEventListener("pagehide", act);
    return () => window.removeEventListener("pagehide", act);
  }, [act]);
}
