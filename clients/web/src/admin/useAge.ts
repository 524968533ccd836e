import { useEffect, useState } from "react";

import { useAdmin } from "./context";
import { ageOf } from "./figures";

const EVERY_MS = 1_000;

/** Return a function that formats the time since a moment, and renders the component again each second. */
export function useAge(): (since: string) => string {
  const { texts } = useAdmin();
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), EVERY_MS);
    return () => clearInterval(timer);
  }, []);
  return (since) => ageOf(Math.max(0, (now - Date.parse(since)) / 1000), texts);
}
