/** Zoom and pan of a stage by wheel, pinch, drag and keys. */
import { type PointerEvent as ReactPointerEvent, type RefObject, useCallback, useEffect, useRef, useState } from "react";

export interface View {
  /** 1: the content fills the stage. */
  scale: number;
  /** Position of the content's top left corner in the stage, in pixels. */
  x: number;
  y: number;
}

interface Point {
  x: number;
  y: number;
}

const WHOLE: View = { scale: 1, x: 0, y: 0 };
const MAX_SCALE = 16;
const STEP = 1.5;

/** Return the view scaled by a factor around a point of the stage, with no gap beside the content. */
export function zoomed(view: View, factor: number, at: Point, side: Point): View {
  const scale = Math.min(MAX_SCALE, Math.max(1, view.scale * factor));
  const ratio = scale / view.scale;
  return bounded({ scale, x: at.x - (at.x - view.x) * ratio, y: at.y - (at.y - view.y) * ratio }, side);
}

/** Return the view moved so that the content covers the stage. */
export function bounded({ scale, x, y }: View, side: Point): View {
  const within = (value: number, length: number): number => Math.min(0, Math.max(length * (1 - scale), value));
  return { scale, x: within(x, side.x), y: within(y, side.y) };
}

export interface PanZoom {
  view: View;
  /** CSS transform of the content, whose origin is its top left corner. */
  transform: string;
  zoomIn: () => void;
  zoomOut: () => void;
  reset: () => void;
  /** Pointer handlers of the stage. */
  handlers: {
    onPointerDown: (event: ReactPointerEvent) => void;
    onPointerMove: (event: ReactPointerEvent) => void;
    onPointerUp: (event: ReactPointerEvent) => void;
    onPointerCancel: (event: ReactPointerEvent) => void;
  };
}

/** `drags`: whether one pointer moves the content; two always zoom. `onGesture` is called when a second one joins. */
export function usePanZoom(
  stage: RefObject<HTMLElement | null>,
  { drags = () => true, onGesture }: { drags?: (event: ReactPointerEvent) => boolean; onGesture?: () => void } = {},
): PanZoom {
  const [view, setView] = useState(WHOLE);
  const pointers = useRef(new Map<number, Point & { pans: boolean }>());
  const sideOf = useCallback((): Point => {
    const { width = 1, height = 1 } = stage.current?.getBoundingClientRect() ?? {};
    return { x: width, y: height };
  }, [stage]);
  const pointOf = useCallback(
    ({ clientX, clientY }: { clientX: number; clientY: number }): Point => {
      const { left = 0, top = 0 } = stage.current?.getBoundingClientRect() ?? {};
      return { x: clientX - left, y: clientY - top };
    },
    [stage],
  );

  useEffect(() => {
    const element = stage.current;
    if (element === null) return undefined;
    const wheel = (event: WheelEvent): void => {
      event.preventDefault();
      const factor = Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.002));
      setView((before) => zoomed(before, factor, pointOf(event), sideOf()));
    };
    // React's own listeners are passive, and the page would scroll.
    element.addEventListener("wheel", wheel, { passive: false });
    return () => element.removeEventListener("wheel", wheel);
  }, [stage, pointOf, sideOf]);

  const zoomBy = (factor: number): void =>
    setView((before) => {
      const side = sideOf();
      return zoomed(before, factor, { x: side.x / 2, y: side.y / 2 }, side);
    });

  const onPointerDown = (event: ReactPointerEvent): void => {
    pointers.current.set(event.pointerId, { ...pointOf(event), pans: drags(event) });
    if (pointers.current.size > 1) onGesture?.();
  };
  const onPointerMove = (event: ReactPointerEvent): void => {
    const before = pointers.current.get(event.pointerId);
    if (before === undefined) return;
    const now = pointOf(event);
    const other = [...pointers.current].find(([id]) => id !== event.pointerId)?.[1];
    pointers.current.set(event.pointerId, { ...now, pans: before.pans });
    if (other === undefined) {
      if (!before.pans) return;
      event.currentTarget.setPointerCapture(event.pointerId);
      setView((view) => bounded({ ...view, x: view.x + now.x - before.x, y: view.y + now.y - before.y }, sideOf()));
      return;
    }
    const factor = distance(now, other) / Math.max(1, distance(before, other));
    const [from, to] = [middle(before, other), middle(now, other)];
    setView((view) => zoomed({ ...view, x: view.x + to.x - from.x, y: view.y + to.y - from.y }, factor, to, sideOf()));
  };
  const onEnd = (event: ReactPointerEvent): void => void pointers.current.delete(event.pointerId);

  return {
    view,
    transform: `translate(${view.x}px, ${view.y}px) scale(${view.scale})`,
    zoomIn: () => zoomBy(STEP),
    zoomOut: () => zoomBy(1 / STEP),
    reset: () => setView(WHOLE),
    handlers: { onPointerDown, onPointerMove, onPointerUp: onEnd, onPointerCancel: onEnd },
  };
}

function distance(a: Point, b: Point): number {
  return Math.hypot(a.x - b.x, a.y - b.y);
}

function middle(a: Point, b: Point): Point {
  return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
}
