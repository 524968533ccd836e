import { Loader, SegmentedControl } from "@mantine/core";
import { IconMaximize, IconZoomIn, IconZoomOut } from "@tabler/icons-react";
import { type KeyboardEvent, type PointerEvent, type ReactNode, useRef, useState } from "react";

import { IconAction } from "../components/IconAction";
import { useKeys } from "../components/useKeys";
import { useTexts } from "../i18n";
import type { Photo } from "../model/photos";
import { boxOf, maskOf, resultBoxOf } from "./placement";
import { usePanZoom } from "./usePanZoom";

export const BACKDROPS = ["result", "checks", "dark"] as const;
export type Backdrop = (typeof BACKDROPS)[number];

interface Props {
  photo: Photo;
  /** Whether keys zoom. */
  hasKeys: boolean;
  backdrop: Backdrop;
  onBackdrop: (backdrop: Backdrop) => void;
  /** Called when the links of the photo have expired. */
  onStale: () => void;
  /** Controls beside the stage. */
  children: ReactNode;
}

/** Photo and result in one frame, exactly over each other, with a divider to drag; both can be enlarged. */
export function CompareStage({ photo, hasKeys, backdrop, onBackdrop, onStale, children }: Props) {
  const { compare } = useTexts();
  const stage = useRef<HTMLDivElement>(null);
  const [position, setPosition] = useState(50);
  const [unreadable, setUnreadable] = useState<string | null>(null);
  const [loaded, setLoaded] = useState<string | null>(null);
  const zoom = usePanZoom(stage);
  const result = photo.detail?.result ?? null;
  const size = result ?? { width: 1, height: 1 };
  const placement = result?.placement ?? null;
  const before = photo.before === unreadable ? null : photo.before;
  const divided = before !== null;
  const mask = photo.detail?.mask_url ?? null;
  const separable = mask !== null && placement !== null;
  const shown = separable || photo.detail?.options.content === "transparent" ? backdrop : "result";
  const content = { transform: zoom.transform };
  const after = `${compare.after}: ${photo.name}`;
  const picture = {
    src: photo.result ?? "",
    draggable: false,
    onLoad: () => setLoaded(photo.result),
    onError: onStale,
  };
  useKeys((key, event) => {
    if (event.ctrlKey || event.metaKey) return;
    if (key === "+" || key === "=") zoom.zoomIn();
    else if (key === "-") zoom.zoomOut();
    else if (key === "0") zoom.reset();
  }, hasKeys);

  return (
    <figure className="viewer">
      <div className="viewer-frame">
        <div className="viewer-stage" ref={stage} data-zoomed={zoom.view.scale > 1} {...zoom.handlers}>
          {divided ? (
            <div className="viewer-layer viewer-photo">
              <div className="viewer-content" style={content}>
                <img
                  className={placement === null ? "viewer-contained" : "viewer-placed"}
                  style={placement === null ? {} : boxOf(placement, size)}
                  src={before}
                  alt={`${compare.before}: ${photo.name}`}
                  draggable={false}
                  onError={() => setUnreadable(before)}
                />
              </div>
            </div>
          ) : null}
          <div
            className="viewer-layer viewer-result"
            data-backdrop={shown}
            style={divided ? { clipPath: `inset(0 0 0 ${position}%)` } : {}}
          >
            <div className="viewer-content" style={content}>
              {shown !== "result" && separable ? (
                <div className="viewer-masked" style={{ ...boxOf(placement, size), ...maskOf(mask, photo.detail?.options.crop ?? null) }}>
                  <img {...picture} alt={after} className="viewer-placed" style={resultBoxOf(placement, size)} />
                </div>
              ) : (
                <img {...picture} alt={after} className="viewer-contained" />
              )}
            </div>
          </div>
          {loaded === photo.result ? null : <Loader className="viewer-loader" size="sm" type="dots" aria-hidden="true" />}
          {divided ? <Divider label={compare.slider} position={position} onMove={setPosition} stage={stage} /> : null}
        </div>
        {children}
      </div>
      <figcaption className="viewer-foot">
        <span className="viewer-legend" aria-hidden="true">
          {divided ? (
            <>
              {compare.before} <span className="muted">|</span> {compare.after}
            </>
          ) : null}
        </span>
        <span className="spring" />
        {separable ? (
          <SegmentedControl
            size="xs"
            aria-label={compare.backdrop}
            value={backdrop}
            onChange={(value) => onBackdrop(BACKDROPS.find((each) => each === value) ?? "result")}
            data={BACKDROPS.map((value) => ({ value, label: compare.backdrops[value] }))}
          />
        ) : null}
        <span className="viewer-zoom">
          <IconAction variant="subtle" color="gray" label={compare.zoomOut} onClick={zoom.zoomOut} icon={IconZoomOut} />
          <IconAction variant="subtle" color="gray" label={compare.zoomReset} onClick={zoom.reset} icon={IconMaximize} />
          <IconAction variant="subtle" color="gray" label={compare.zoomIn} onClick={zoom.zoomIn} icon={IconZoomIn} />
        </span>
      </figcaption>
      {unreadable !== null && unreadable === photo.before ? <p className="muted small">{compare.inputUnavailable}</p> : null}
    </figure>
  );
}

interface DividerProps {
  label: string;
  /** Percent from the left. */
  position: number;
  onMove: (position: number) => void;
  stage: { current: HTMLDivElement | null };
}

const KEYS: Partial<Record<string, number>> = { ArrowLeft: -5, ArrowRight: 5, ArrowDown: -5, ArrowUp: 5, Home: -100, End: 100 };

function Divider({ label, position, onMove, stage }: DividerProps) {
  const within = (value: number): number => Math.min(100, Math.max(0, value));
  const onKeyDown = (event: KeyboardEvent): void => {
    const step = KEYS[event.key];
    if (step === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    // The dialog's own arrow keys are for the next photo.
    event.stopPropagation();
    event.preventDefault();
    onMove(within(position + step));
  };
  const onPointerMove = (event: PointerEvent): void => {
    if (!event.currentTarget.hasPointerCapture(event.pointerId)) return;
    const box = stage.current?.getBoundingClientRect();
    if (box !== undefined) onMove(within((100 * (event.clientX - box.left)) / box.width));
  };
  return (
    <div
      className="viewer-divider"
      style={{ left: `${position}%` }}
      role="slider"
      tabIndex={0}
      aria-label={label}
      aria-orientation="horizontal"
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(position)}
      onKeyDown={onKeyDown}
      onPointerDown={(event) => {
        event.stopPropagation();
        event.currentTarget.setPointerCapture(event.pointerId);
      }}
      onPointerMove={onPointerMove}
    >
      <span className="viewer-grip" aria-hidden="true">
        ‹ ›
      </span>
    </div>
  );
}
