import { type RefObject, useState } from "react";

import type { Photo } from "../model/photos";
import type { GridHandle } from "./PhotoGrid";

interface Photos {
  shown: readonly Photo[];
  /** Those that match the filter, in order. */
  visible: readonly Photo[];
  /** Replaced versions of each shown photo by its key. */
  earlier: ReadonlyMap<string, readonly Photo[]>;
}

/** Hold the photo that is compared with its result, and step through the results that were in view when it was opened. */
export function useReview({ shown, visible, earlier }: Photos, grid: RefObject<GridHandle | null>, onCurrent: (key: string) => void) {
  const [viewed, setViewed] = useState<string | null>(null);
  const [queue, setQueue] = useState<readonly string[]>([]);
  const photo = viewed === null ? undefined : latestOf(viewed, shown, earlier);
  const at = queue.indexOf(viewed ?? "");
  const show = (key: string): void => {
    setViewed(key);
    onCurrent(key);
  };
  return {
    isOpen: viewed !== null,
    /** Null: none. */
    photo: photo ?? null,
    earlier: earlier.get(photo?.key ?? "") ?? [],
    /** 1 is the first one; 0 when it is not one of those that are stepped through. */
    position: at + 1,
    total: queue.length,
    open: (opened: Photo): void => {
      setQueue(visible.filter(({ phase }) => phase === "done").map(({ key }) => key));
      show(opened.key);
    },
    close: (): void => {
      setViewed(null);
      // Back to the card of the photo that was shown last or, if the filter hides it by now, to the nearest one.
      const near = [photo?.key, ...queue.slice(at + 1), ...queue.slice(0, Math.max(0, at)).reverse()];
      const key = near.find((each) => visible.some((other) => other.key === each)) ?? visible[0]?.key;
      if (key !== undefined) requestAnimationFrame(() => grid.current?.focus(key));
    },
    /** Show the next (1) or previous (-1) photo. */
    step: (by: 1 | -1): void => {
      const next = queue[at + by];
      if (next !== undefined) show(next);
    },
  };
}

/** Return the shown photo with a key, or the one that has replaced it as a later version. */
function latestOf(key: string, shown: readonly Photo[], earlier: Photos["earlier"]): Photo | undefined {
  const own = shown.find((photo) => photo.key === key);
  if (own !== undefined) return own;
  const later = [...earlier].find(([, versions]) => versions.some((photo) => photo.key === key))?.[0];
  return shown.find((photo) => photo.key === later);
}
