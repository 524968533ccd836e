import { Button, RangeSlider, SegmentedControl } from "@mantine/core";
import { IconRotate2, IconRotateClockwise2 } from "@tabler/icons-react";
import { type PointerEvent, useCallback, useEffect, useMemo, useRef, useState } from "react";

import { IconAction } from "../components/IconAction";
import { Setting } from "../components/Setting";
import { useKeys } from "../components/useKeys";
import { useEditorLayer } from "../components/useLayer";
import { useLanguage } from "../i18n";
import { Numbers } from "../model/numbers";
import type { Material } from "../touchup/images";
import { Prepared, sized } from "../touchup/Prepared";
import { AUTOMATIC, type Crop, cropOf, endsOf, fitOf, isAutomatic, MAX_MOVE, type Position, SCALES, WHOLE, within } from "./fit";

/** Pixels of the preview's side. */
const SIDE = 900;
const ARROWS: Partial<Record<string, readonly [x: number, y: number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};
const NUDGE = 0.005;

interface Props {
  load: () => Promise<Material>;
  name: string;
  /** The position of the present result. */
  initial: Position;
  /** Share of the side to which the product is fitted. */
  fill: number;
  /** CSS colour; null: transparent. */
  background: string | null;
  onCancel: () => void;
  /** Submit the position; rejects on failure. */
  onSend: (position: Position) => Promise<void>;
}

/** Turns, scales, moves and crops a product by hand; the frame previews the service's result. */
export function Positioning({ load, onCancel, ...props }: Props) {
  return <Prepared load={load} onCancel={onCancel}>{(material) => <Editor material={material} onCancel={onCancel} {...props} />}</Prepared>;
}

function Editor({ material, name, initial, fill, background, onCancel, onSend }: Omit<Props, "load"> & { material: Material }) {
  const { texts, tag } = useLanguage();
  const words = texts.positioning;
  const numbers = new Numbers(tag);
  const { mask } = material;
  const [position, setPosition] = useState(initial);
  const [cropping, setCropping] = useState(false);
  const [sending, setSending] = useState(false);
  const [problem, setProblem] = useState(false);
  const { crop } = position;
  const ends = useMemo(() => endsOf(mask, crop ?? WHOLE), [mask, crop]);
  const fit = fitOf(ends, fill, position);
  const change = (next: Partial<Position>) => setPosition((before) => ({ ...before, ...next }));
  const turn = (degrees: number) => setPosition((before) => ({ ...before, rotation: turned(before.rotation + degrees) }));
  const isChanged = JSON.stringify(position) !== JSON.stringify(initial);
  const leave = useEditorLayer(isChanged && !sending, onCancel);
  const send = async (): Promise<void> => {
    setSending(true);
    setProblem(false);
    try {
      await onSend(position);
    } catch {
      setProblem(true);
      setSending(false);
    }
  };
  return (
    <div className="touchup">
      {cropping ? (
        <CropStage material={material} label={words.cropFrame(name)} crop={crop ?? WHOLE} onCrop={(next) => change({ crop: cropOf(next) })} />
      ) : (
        <Frame material={material} label={words.frame(name)} position={position} ends={ends} fill={fill} background={background} onChange={setPosition} />
      )}
      <div className="touchup-tools">
        <SegmentedControl
          fullWidth
          aria-label={words.mode}
          value={cropping ? "crop" : "place"}
          onChange={(value) => setCropping(value === "crop")}
          data={[
            { value: "place", label: words.place },
            { value: "crop", label: words.crop },
          ]}
        />
        <p className="muted small">{cropping ? words.cropHint : words.placeHint}</p>
        {cropping ? (
          <>
            <Edges label={words.cropAcross} from={(crop ?? WHOLE).left} to={(crop ?? WHOLE).right} onChange={(left, right) => change({ crop: cropOf({ ...(crop ?? WHOLE), left, right }) })} />
            <Edges label={words.cropDown} from={(crop ?? WHOLE).top} to={(crop ?? WHOLE).bottom} onChange={(top, bottom) => change({ crop: cropOf({ ...(crop ?? WHOLE), top, bottom }) })} />
            <Button variant="default" disabled={crop === null} onClick={() => change({ crop: null })}>
              {words.wholePhoto}
            </Button>
          </>
        ) : (
          <>
            <Setting label={words.rotation} shown={`${numbers.plain(position.rotation)}°`} value={position.rotation} min={-180} max={180} step={0.5} onChange={(rotation) => change({ rotation })} />
            <div className="touchup-icons">
              <IconAction label={words.turnLeft} icon={IconRotate2} onClick={() => turn(-90)} />
              <IconAction label={words.turnRight} icon={IconRotateClockwise2} onClick={() => turn(90)} />
            </div>
            <Setting label={words.scale} shown={numbers.percent(position.scale)} value={100 * position.scale} min={20} max={400} step={1} onChange={(percent) => change({ scale: percent / 100 })} />
            <Setting label={words.right} shown={numbers.percent(position.move_x)} value={100 * position.move_x} min={-50} max={50} step={0.5} onChange={(percent) => change({ move_x: percent / 100 })} />
            <Setting label={words.down} shown={numbers.percent(position.move_y)} value={100 * position.move_y} min={-50} max={50} step={0.5} onChange={(percent) => change({ move_y: percent / 100 })} />
          </>
        )}
        <Button variant="subtle" size="compact-sm" disabled={isAutomatic(position)} onClick={() => setPosition(AUTOMATIC)}>
          {words.reset}
        </Button>
        {fit === null || problem ? (
          <p className="problem small" role="alert">
            {fit === null ? words.cropEmpty : words.failed}
          </p>
        ) : null}
        <div className="dialog-end">
          <Button variant="default" onClick={leave}>
            {texts.touchUp.cancel}
          </Button>
          <Button loading={sending} disabled={!isChanged || fit === null} onClick={() => void send()}>
            {texts.touchUp.send}
          </Button>
        </div>
      </div>
    </div>
  );
}

interface FrameProps {
  material: Material;
  label: string;
  position: Position;
  ends: readonly number[];
  fill: number;
  background: string | null;
  onChange: (change: (before: Position) => Position) => void;
}

/** The result as it will be; it is dragged, scaled by the wheel and nudged by the arrow keys. */
function Frame({ material, label, position, ends, fill, background, onChange }: FrameProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const last = useRef<{ x: number; y: number } | null>(null);
  const cutOut = useMemo(() => cutOutOf(material), [material]);
  useEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (context == null) return;
    context.resetTransform();
    context.clearRect(0, 0, SIDE, SIDE);
    const fit = fitOf(ends, fill, position);
    if (fit === null) return;
    const { width, height } = cutOut;
    const { left, top, right, bottom } = position.crop ?? WHOLE;
    const unit = SIDE * fit.scale;
    context.translate(SIDE * fit.x, SIDE * fit.y);
    context.rotate((position.rotation * Math.PI) / 180);
    context.scale(unit, unit);
    context.imageSmoothingQuality = "high";
    const part = [left * width, top * height, (right - left) * width, (bottom - top) * height] as const;
    context.drawImage(cutOut, ...part, ...part);
  }, [cutOut, ends, fill, position]);

  useEffect(() => {
    const element = canvas.current;
    if (element === null) return undefined;
    const wheel = (event: WheelEvent): void => {
      event.preventDefault();
      const factor = Math.exp(-event.deltaY * 0.001);
      onChange((before) => ({ ...before, scale: hundredth(within(before.scale * factor, SCALES.least, SCALES.most)) }));
    };
    // React's own listeners are passive, and the page would scroll.
    element.addEventListener("wheel", wheel, { passive: false });
    return () => element.removeEventListener("wheel", wheel);
  }, [onChange]);

  const move = useCallback(
    (x: number, y: number): void =>
      onChange((before) => ({
        ...before,
        move_x: within(before.move_x + x, -MAX_MOVE, MAX_MOVE),
        move_y: within(before.move_y + y, -MAX_MOVE, MAX_MOVE),
      })),
    [onChange],
  );
  useKeys((key, event) => {
    const arrow = ARROWS[key];
    if (arrow === undefined) return;
    event.preventDefault();
    move(arrow[0] * NUDGE, arrow[1] * NUDGE);
  });
  const onPointerMove = (event: PointerEvent): void => {
    if (last.current === null || !event.currentTarget.hasPointerCapture(event.pointerId)) return;
    const { width } = event.currentTarget.getBoundingClientRect();
    move((event.clientX - last.current.x) / width, (event.clientY - last.current.y) / width);
    last.current = { x: event.clientX, y: event.clientY };
  };
  return (
    <div
      className="position-frame"
      data-transparent={background === null}
      style={background === null ? {} : { background }}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        last.current = { x: event.clientX, y: event.clientY };
      }}
      onPointerMove={onPointerMove}
    >
      <canvas ref={canvas} width={SIDE} height={SIDE} aria-label={label} />
    </div>
  );
}

/** The photo, on which a rectangle is drawn. */
function CropStage({ material: { photo }, label, crop, onCrop }: { material: Material; label: string; crop: Crop; onCrop: (crop: Crop) => void }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const start = useRef<{ x: number; y: number } | null>(null);
  useEffect(() => canvas.current?.getContext("2d")?.putImageData(photo, 0, 0), [photo]);
  const pointOf = (event: PointerEvent): { x: number; y: number } => {
    const box = event.currentTarget.getBoundingClientRect();
    return { x: within((event.clientX - box.left) / box.width, 0, 1), y: within((event.clientY - box.top) / box.height, 0, 1) };
  };
  return (
    <div
      className="position-photo"
      style={sized(photo)}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        start.current = pointOf(event);
      }}
      onPointerMove={(event) => {
        if (start.current === null) return;
        const to = pointOf(event);
        onCrop({ left: start.current.x, top: start.current.y, right: to.x, bottom: to.y });
      }}
      onPointerUp={() => {
        start.current = null;
      }}
      onPointerCancel={() => {
        start.current = null;
      }}
    >
      <canvas ref={canvas} width={photo.width} height={photo.height} aria-label={label} />
      <div
        className="position-crop"
        style={{ left: percent(crop.left), top: percent(crop.top), width: percent(crop.right - crop.left), height: percent(crop.bottom - crop.top) }}
      />
    </div>
  );
}

function Edges({ label, from, to, onChange }: { label: string; from: number; to: number; onChange: (from: number, to: number) => void }) {
  const { positioning } = useLanguage().texts;
  return (
    <div>
      <span className="field-label">{label}</span>
      <RangeSlider
        size="sm"
        label={null}
        min={0}
        max={100}
        minRange={2}
        value={[100 * from, 100 * to]}
        thumbFromLabel={positioning.edge(label, 0)}
        thumbToLabel={positioning.edge(label, 1)}
        onChange={([first, last]) => onChange(first / 100, last / 100)}
      />
    </div>
  );
}

/** Return the photo with the mask as its alpha. */
function cutOutOf({ photo, mask }: Material): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  canvas.width = photo.width;
  canvas.height = photo.height;
  const data = new Uint8ClampedArray(photo.data);
  mask.values.forEach((value, at) => {
    data[4 * at + 3] = value;
  });
  canvas.getContext("2d")?.putImageData(new ImageData(data, photo.width, photo.height), 0, 0);
  return canvas;
}

/** Return the angle as one from -180 to 180. */
function turned(degrees: number): number {
  return degrees > 180 ? degrees - 360 : degrees < -180 ? degrees + 360 : degrees;
}

function hundredth(value: number): number {
  return Math.round(value * 100) / 100;
}

function percent(share: number): string {
  return `${share * 100}%`;
}
