/** The keyboard on the grid: arrows move between photos, keys select and decide. */
import { type RefObject, useEffect, useRef } from "react";

import type { Decision } from "../model/decisions";
import type { Photo } from "../model/photos";
import { isInDialog } from "./keys";
import type { GridHandle } from "./PhotoGrid";
import { useKeys } from "./useKeys";

interface Keys {
  enabled: boolean;
  visible: readonly Photo[];
  selected: readonly Photo[];
  /** The photo that was focused last. */
  current: string | null;
  grid: RefObject<GridHandle | null>;
  onOpen: (photo: Photo) => void;
  onSelect: (photo: Photo, extend: boolean) => void;
  onSelectAll: () => void;
  onClear: () => void;
  onDecide: (photos: readonly Photo[], decision: Decision) => void;
  onRemove: (photos: readonly Photo[]) => void;
  onSearch: () => void;
  onShortcuts: () => void;
}

export function useGridKeys(keys: Keys): void {
  useKeys((key, event) => {
    if (!isInDialog(event.target) && onKey(key, event, keys)) event.preventDefault();
  }, keys.enabled);
  useFocusKept(keys);
}

/** Focus the photo that follows when the focused one is no longer shown, such as after a decision under a filter. */
function useFocusKept({ enabled, visible, current, grid }: Keys): void {
  const last = useRef(-1);
  useEffect(() => {
    const at = visible.findIndex(({ key }) => key === current);
    if (at >= 0) last.current = at;
    if (at >= 0 || last.current < 0 || !enabled || document.activeElement !== document.body) return;
    const next = visible[Math.min(last.current, visible.length - 1)];
    if (next !== undefined) grid.current?.focus(next.key);
  }, [enabled, visible, current, grid]);
}

/** Return whether the key was used. */
function onKey(key: string, event: KeyboardEvent, keys: Keys): boolean {
  const { visible, current, grid } = keys;
  const onCard = event.target instanceof HTMLElement && event.target.closest(".card") !== null;
  const at = visible.findIndex((each) => each.key === current);
  const photo = visible[at];
  if (event.ctrlKey || event.metaKey) {
    if (key !== "a" || event.shiftKey || !onCard) return false;
    keys.onSelectAll();
    return true;
  }
  const columns = grid.current?.columns ?? 1;
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, j: 1, k: -1 }[key];
  if (step !== undefined) {
    if (!onCard && key.startsWith("Arrow") && event.target !== document.body) return false;
    const next = visible[at < 0 ? 0 : Math.min(visible.length - 1, Math.max(0, at + step))];
    if (next === undefined || (next === photo && onCard)) return false;
    if (event.shiftKey && photo !== undefined) {
      keys.onSelect(photo, true);
      keys.onSelect(next, true);
    }
    grid.current?.focus(next.key);
    return true;
  }
  switch (key) {
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
  if (onCard && photo !== undefined && onPicture(event.target)) {
    if (key === " ") keys.onSelect(photo, event.shiftKey);
    else if (key === "Enter") keys.onOpen(photo);
    if (key === " " || key === "Enter") return true;
  }
  // Decisions apply to photos that are marked as such: the selected ones, or the one whose card has the focus.
  const targets = keys.selected.length > 0 ? keys.selected : onCard && photo !== undefined ? [photo] : [];
  if (targets.length === 0) return false;
  switch (key) {
    case "Delete":
      keys.onRemove(targets);
      return true;
    case "a":
      keys.onDecide(targets, "accepted");
      return true;
    case "r":
    case "x":
      keys.onDecide(targets, "rejected");
      return true;
  }
  return false;
}

function onPicture(target: EventTarget | null): boolean {
  return target instanceof Element && target.matches(".card-picture");
}
