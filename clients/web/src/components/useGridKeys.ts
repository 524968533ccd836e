/** The keyboard on the grid: arrows move between photos, keys select and decide. */
import { type RefObject, useEffect, useRef } from "react";

import type { Decision } from "../model/decisions";
import type { Photo } from "../model/photos";
import { isField, isInDialog } from "./isField";
import type { GridHandle } from "./PhotoGrid";

interface Keys {
  enabled: boolean;
  visible: readonly Photo[];
  /** The photo that was focused last. */
  current: string | null;
  grid: RefObject<GridHandle | null>;
  onOpen: (photo: Photo) => void;
  onSelect: (photo: Photo, extend: boolean) => void;
  onSelectAll: () => void;
  onClear: () => void;
  onDecide: (photo: Photo, decision: Decision) => void;
  onRemove: (photo: Photo) => void;
  onSearch: () => void;
  onShortcuts: () => void;
}

export function useGridKeys(keys: Keys): void {
  const latest = useRef(keys);
  useEffect(() => {
    latest.current = keys;
  });
  useEffect(() => {
    const listener = (event: KeyboardEvent): void => {
      if (!latest.current.enabled || event.altKey || event.defaultPrevented || isField(event.target) || isInDialog(event.target)) return;
      if (onKey(event, latest.current)) event.preventDefault();
    };
    document.addEventListener("keydown", listener);
    return () => document.removeEventListener("keydown", listener);
  }, []);
}

/** Return whether the key was used. */
function onKey(event: KeyboardEvent, keys: Keys): boolean {
  const { visible, current, grid } = keys;
  const onCard = event.target instanceof HTMLElement && event.target.closest(".card") !== null;
  const at = visible.findIndex(({ key }) => key === current);
  const photo = visible[at];
  if (event.ctrlKey || event.metaKey) {
    if (event.key !== "a" || !onCard) return false;
    keys.onSelectAll();
    return true;
  }
  const columns = grid.current?.columns ?? 1;
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, j: 1, k: -1 }[event.key];
  if (step !== undefined) {
    if (!onCard && event.key.startsWith("Arrow") && event.target !== document.body) return false;
    const next = visible[at < 0 ? 0 : Math.min(visible.length - 1, Math.max(0, at + step))];
    if (next === undefined || (next === photo && onCard)) return false;
    if (event.shiftKey && photo !== undefined) {
      keys.onSelect(photo, true);
      keys.onSelect(next, true);
    }
    grid.current?.focus(next.key);
    return true;
  }
  switch (event.key) {
    case "?":
      keys.onShortcuts();
      return true;
    case "/":
      keys.onSearch();
      return true;
    case "Escape":
      keys.onClear();
      return false;
  }
  if (photo === undefined || !(event.target instanceof HTMLElement) || !onCard) return false;
  switch (event.key) {
    case " ":
      if (!event.target.matches(".card-picture")) return false;
      keys.onSelect(photo, event.shiftKey);
      return true;
    case "Enter":
      if (!event.target.matches(".card-picture")) return false;
      keys.onOpen(photo);
      return true;
    case "Delete":
      keys.onRemove(photo);
      return true;
    case "a":
      keys.onDecide(photo, "accepted");
      return true;
    case "r":
    case "x":
      keys.onDecide(photo, "rejected");
      return true;
  }
  return false;
}
