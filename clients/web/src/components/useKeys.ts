import { useEffect, useRef } from "react";

import { isOfControl, keyOf } from "./keys";

/** Call the latest handler for each key on the page, named by `keyOf`, except those that the focused control uses itself. */
export function useKeys(onKey: (key: string, event: KeyboardEvent) => void, enabled = true): void {
  const latest = useRef(onKey);
  useEffect(() => {
    latest.current = onKey;
  });
  useEffect(() => {
    if (!enabled) return undefined;
    const listener = (event: KeyboardEvent): void => {
      if (!event.defaultPrevented && !event.altKey && !isOfControl(event)) latest.current(keyOf(event), event);
    };
    document.addEventListener("keydown", listener);
    return () => document.removeEventListener("keydown", listener);
  }, [enabled]);
}
