import { Button, SegmentedControl, Switch } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { IconArrowBackUp, IconArrowForwardUp, IconMaximize, IconZoomIn, IconZoomOut } from "@tabler/icons-react";
import { type KeyboardEvent, type PointerEvent, useEffect, useRef, useState } from "react";

import { IconAction } from "../components/IconAction";
import { Setting } from "../components/Setting";
import { useKeys } from "../components/useKeys";
import { useEditorLayer } from "../components/useLayer";
import { useTexts } from "../i18n";
import { usePanZoom } from "../viewer/usePanZoom";
import type { Material } from "./images";
import { pngOf } from "./images";
import { type Brush, NOTHING, type Point, type Rect, union } from "./mask";
import { Prepared, sized } from "./Prepared";
import { partAt } from "./region";

const TOOLS = ["erase", "restore", "drop", "keep", "move"] as const;
type Tool = (typeof TOOLS)[number];
const TOOL_KEYS: Partial<Record<string, Tool>> = { e: "erase", r: "restore", d: "drop", k: "keep", m: "move" };
const ARROWS: Partial<Record<string, Point>> = {
  ArrowLeft: { x: -1, y: 0 },
  ArrowRight: { x: 1, y: 0 },
  ArrowUp: { x: 0, y: -1 },
  ArrowDown: { x: 0, y: 1 },
};
/** Colour of the backdrop that is removed, unless it is shown as white. */
const TINT = [217, 45, 76, 150] as const;
const PAPER = [255, 255, 255, 255] as const;

interface Props {
  load: () => Promise<Material>;
  name: string;
  onCancel: () => void;
  /** Submit the corrected mask; rejects on failure. */
  onSend: (mask: Blob) => Promise<void>;
}

/** The editor of a cut-out: brushes and parts on the photo, whose removed backdrop is tinted. */
export function TouchUp({ load, name, onCancel, onSend }: Props) {
  return (
    <Prepared load={load} onCancel={onCancel}>
      {(material) => <Editor material={material} name={name} onCancel={onCancel} onSend={onSend} />}
    </Prepared>
  );
}

function Editor({ material, name, onCancel, onSend }: Omit<Props, "load"> & { material: Material }) {
  const words = useTexts().touchUp;
  const narrow = useMediaQuery("(max-width: 860px)");
  const { mask, photo } = material;
  const stage = useRef<HTMLDivElement>(null);
  const cover = useRef<HTMLCanvasElement>(null);
  const ring = useRef<HTMLDivElement>(null);
  const last = useRef<Point | null>(null);
  /** Where the keyboard applies the tool, in pixels of the mask. */
  const spot = useRef<Point>({ x: mask.width / 2, y: mask.height / 2 });
  const [tool, setTool] = useState<Tool>("erase");
  /** Radius as a share of the longest side, in thousandths. */
  const [size, setSize] = useState(25);
  const [softness, setSoftness] = useState(20);
  const [onWhite, setOnWhite] = useState(false);
  const [snap, setSnap] = useState(true);
  const [sending, setSending] = useState(false);
  const [problem, setProblem] = useState(false);
  /** Counts changes, because the mask is edited in place. */
  const [changes, setChanges] = useState(0);
  const radius = (Math.max(mask.width, mask.height) * size) / 1000;
  const brushes = tool === "erase" || tool === "restore";
  const brush: Brush = { radius, softness: softness / 100, restores: tool === "restore" };

  const paint = (rect: Rect): void => {
    paintCover(cover.current, mask, rect, onWhite ? PAPER : TINT);
    setChanges((count) => count + 1);
  };
  const drags = (event: PointerEvent): boolean => tool === "move" || event.button === 1;
  const zoom = usePanZoom(stage, {
    drags,
    onGesture: () => {
      if (last.current !== null) paint(mask.abandon());
      last.current = null;
    },
  });
  const pointOf = ({ clientX, clientY }: { clientX: number; clientY: number }): Point => {
    const box = cover.current?.getBoundingClientRect();
    if (box === undefined) return { x: 0, y: 0 };
    return { x: ((clientX - box.left) / box.width) * mask.width, y: ((clientY - box.top) / box.height) * mask.height };
  };
  const moveRing = ({ x, y }: Point): void => {
    const [circle, box, canvas] = [ring.current, stage.current?.getBoundingClientRect(), cover.current?.getBoundingClientRect()];
    if (circle === null || box === undefined || canvas === undefined) return;
    const scale = canvas.width / mask.width;
    const width = `${2 * (brushes ? radius : 0) * scale + 6}px`;
    const [left, top] = [canvas.left - box.left + x * scale, canvas.top - box.top + y * scale];
    Object.assign(circle.style, { left: `${left}px`, top: `${top}px`, width, height: width });
  };
  /** Apply the tool at a point; a stroke of a brush goes on until it is committed. */
  const apply = (at: Point, pressedBrush: Brush): void => {
    if (!brushes) {
      paint(mask.fill(partAt(photo.data, mask, at, tool === "keep"), tool === "keep"));
      return;
    }
    mask.begin();
    paint(mask.draw(at, at, pressedBrush));
  };
  const commit = (): void => {
    mask.commit();
    setChanges((count) => count + 1);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const direction = ARROWS[event.key];
    if (direction !== undefined) {
      const step = Math.max(1, Math.max(mask.width, mask.height) / (event.shiftKey ? 20 : 100));
      const { x, y } = spot.current;
      spot.current = {
        x: Math.min(mask.width - 1, Math.max(0, x + step * direction.x)),
        y: Math.min(mask.height - 1, Math.max(0, y + step * direction.y)),
      };
    } else if ((event.key === " " || event.key === "Enter") && tool !== "move") {
      apply(spot.current, brush);
      if (brushes) commit();
    } else return;
    event.preventDefault();
    moveRing(spot.current);
  };
  const onPointerDown = (event: PointerEvent): void => {
    zoom.handlers.onPointerDown(event);
    if (event.button !== 0 || tool === "move") return;
    const at = pointOf(event);
    apply(at, pressed(brush, event));
    if (!brushes) return;
    event.currentTarget.setPointerCapture(event.pointerId);
    last.current = at;
  };
  const onPointerMove = (event: PointerEvent): void => {
    zoom.handlers.onPointerMove(event);
    spot.current = pointOf(event);
    moveRing(spot.current);
    if (last.current === null) return;
    let changed: Rect | null = null;
    // A fast pen reports several points in one event.
    const points = event.nativeEvent.getCoalescedEvents();
    for (const each of points.length > 0 ? points : [event.nativeEvent]) {
      const to = pointOf(each);
      changed = union(changed, mask.draw(last.current, to, pressed(brush, event)));
      last.current = to;
    }
    paint(changed ?? NOTHING);
  };
  const onPointerEnd = (event: PointerEvent): void => {
    zoom.handlers.onPointerUp(event);
    if (last.current === null) return;
    last.current = null;
    commit();
  };
  const send = async (): Promise<void> => {
    setSending(true);
    setProblem(false);
    try {
      await onSend(await pngOf(mask, snap));
    } catch {
      setProblem(true);
      setSending(false);
    }
  };

  useEffect(() => {
    paintCover(cover.current, mask, { left: 0, top: 0, right: mask.width, bottom: mask.height }, onWhite ? PAPER : TINT);
  }, [mask, onWhite]);
  const leave = useEditorLayer(mask.canUndo && !sending, onCancel);
  useKeys((key, event) => {
    if (event.ctrlKey || event.metaKey) {
      if (key === "z") paint(event.shiftKey ? mask.redo() : mask.undo());
      else if (key === "y") paint(mask.redo());
      else return;
    } else if (key === "[") setSize((value) => Math.max(2, Math.round(value / 1.25)));
    else if (key === "]") setSize((value) => Math.min(200, Math.ceil(value * 1.25)));
    else if (key === "+" || key === "=") zoom.zoomIn();
    else if (key === "-") zoom.zoomOut();
    else if (key === "0") zoom.reset();
    else if (TOOL_KEYS[key] !== undefined) setTool(TOOL_KEYS[key]);
    else return;
    event.preventDefault();
  });

  return (
    <div className="touchup" data-changes={changes}>
      {/* eslint-disable-next-line jsx-a11y-x/no-noninteractive-element-interactions -- an application takes keys and pointers */}
      <div
        className="touchup-stage"
        ref={stage}
        data-tool={tool}
        style={sized(mask)}
        role="application"
        aria-label={words.stage(name)}
        tabIndex={0}
        onKeyDown={onKeyDown}
        onFocus={() => moveRing(spot.current)}
        onPointerDown={onPointerDown}
        onPointerMove={onPointerMove}
        onPointerUp={onPointerEnd}
        onPointerCancel={onPointerEnd}
      >
        <div className="viewer-content" style={{ transform: zoom.transform }}>
          <PhotoCanvas photo={photo} label={words.canvas(name)} />
          <canvas ref={cover} width={mask.width} height={mask.height} aria-hidden="true" />
        </div>
        {tool === "move" ? null : <div className="touchup-ring" ref={ring} data-brush={brushes} aria-hidden="true" />}
      </div>
      <div className="touchup-tools">
        <p className="muted small">{words.hint[tool]}</p>
        <SegmentedControl
          fullWidth
          {...(narrow ? { size: "xs" } : { orientation: "vertical" })}
          aria-label={words.tool}
          value={tool}
          onChange={(value) => setTool(TOOLS.find((each) => each === value) ?? "erase")}
          data={TOOLS.map((value) => ({ value, label: words.tools[value] }))}
        />
        <div className="touchup-icons">
          <IconAction label={words.undo} icon={IconArrowBackUp} disabled={!mask.canUndo} onClick={() => paint(mask.undo())} />
          <IconAction label={words.redo} icon={IconArrowForwardUp} disabled={!mask.canRedo} onClick={() => paint(mask.redo())} />
          <span className="spring" />
          <IconAction label={words.zoomOut} icon={IconZoomOut} onClick={zoom.zoomOut} />
          <IconAction label={words.zoomReset} icon={IconMaximize} onClick={zoom.reset} />
          <IconAction label={words.zoomIn} icon={IconZoomIn} onClick={zoom.zoomIn} />
        </div>
        <Setting label={words.size} value={size} min={2} max={200} onChange={setSize} disabled={!brushes} />
        <Setting label={words.softness} value={softness} min={0} max={100} onChange={setSoftness} disabled={!brushes} />
        <Switch size="sm" label={words.snap} description={words.snapHint} checked={snap} onChange={(event) => setSnap(event.currentTarget.checked)} />
        <Switch size="sm" label={words.onWhite} checked={onWhite} onChange={(event) => setOnWhite(event.currentTarget.checked)} />
        {problem ? (
          <p className="problem small" role="alert">
            {words.failed}
          </p>
        ) : null}
        <div className="dialog-end">
          <Button variant="default" onClick={leave}>
            {words.cancel}
          </Button>
          <Button loading={sending} disabled={!mask.canUndo} onClick={() => void send()}>
            {words.send}
          </Button>
        </div>
      </div>
    </div>
  );
}

function PhotoCanvas({ photo, label }: { photo: ImageData; label: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => canvas.current?.getContext("2d")?.putImageData(photo, 0, 0), [photo]);
  return <canvas ref={canvas} width={photo.width} height={photo.height} aria-label={label} />;
}

/** A pen's pressure makes the brush smaller. */
function pressed(brush: Brush, { pointerType, pressure }: PointerEvent): Brush {
  return pointerType === "pen" && pressure > 0 ? { ...brush, radius: brush.radius * (0.3 + 0.7 * pressure) } : brush;
}

/** Paint the removed backdrop over the photo in a colour (RGBA), only where the mask has changed. */
function paintCover(
  canvas: HTMLCanvasElement | null,
  mask: Material["mask"],
  { left, top, right, bottom }: Rect,
  [red, green, blue, alpha]: readonly [number, number, number, number],
): void {
  const context = canvas?.getContext("2d");
  if (context == null || left >= right || top >= bottom) return;
  const image = context.createImageData(right - left, bottom - top);
  let at = 0;
  for (let y = top; y < bottom; y += 1) {
    for (let x = left; x < right; x += 1) {
      image.data[at] = red;
      image.data[at + 1] = green;
      image.data[at + 2] = blue;
      image.data[at + 3] = (alpha * (255 - (mask.values[y * mask.width + x] ?? 0))) / 255;
      at += 4;
    }
  }
  context.putImageData(image, left, top);
}
