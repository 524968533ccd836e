import { useLayoutEffect, useRef, useState } from "react";

type Functions<T> = { [K in keyof T]: (...values: never[]) => unknown };

/** Return functions that stay the same and call the latest ones: memoized components need not render again for them. */
export function useStable<T extends Functions<T>>(functions: T): T {
  const latest = useRef(functions);
  useLayoutEffect(() => {
    latest.current = functions;
  });
  const [stable] = useState(() => {
    const names = Object.keys(functions) as (keyof T)[];
    return Object.fromEntries(names.map((name) => [name, (...values: never[]) => latest.current[name](...values)])) as T;
  });
  return stable;
}
