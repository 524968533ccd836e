import { Button, Loader, Title } from "@mantine/core";
import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { type RefObject, useEffect, useImperativeHandle, useLayoutEffect, useMemo, useRef, useState } from "react";

import { type Texts, useLanguage } from "../i18n";
import { type Day, dayName } from "../model/days";
import { isPreset } from "../model/options";
import type { Photo } from "../model/photos";
import { type Actions, PhotoCard } from "./PhotoCard";

export interface GridHandle {
  /** Columns of the grid. */
  readonly columns: number;
  /** Scroll to a photo and focus it. */
  focus(key: string): void;
}

interface Props {
  days: readonly Day[];
  /** All photos of `days`, in order. */
  photos: readonly Photo[];
  selection: ReadonlySet<string>;
  earlier: ReadonlyMap<string, readonly Photo[]>;
  /** The photo that Tab reaches; null: the first one. */
  current: string | null;
  /** Shown where there are no photos. */
  empty: string;
  /** Whether photos are being fetched, or will be again after an error. */
  loading: boolean;
  more: boolean;
  onMore: () => void;
  actions: Actions;
  handle: RefObject<GridHandle | null>;
}

interface Heading { heading: string; level: 3 | 4; key: string }
type Row = Heading | { photos: readonly Photo[] };

const GAP = 18;
const NARROW_GAP = 10;
const LEAST_CARD = 210;
const NARROW = 520;

/** Photos by day, newest first. Only rows near the screen are rendered, and older photos are fetched on the way down. */
export function PhotoGrid({ days, photos, selection, earlier, current, empty, loading, more, onMore, actions, handle }: Props) {
  const { texts, tag } = useLanguage();
  const list = useRef<HTMLDivElement>(null);
  const [width, offset] = useBox(list);
  const narrow = width <= NARROW;
  const gap = narrow ? NARROW_GAP : GAP;
  const columns = narrow ? 2 : Math.max(1, Math.floor((width + gap) / (LEAST_CARD + gap)));
  const rows = useMemo(() => rowsOf(days, columns, texts, tag), [days, columns, texts, tag]);
  const virtual = useWindowVirtualizer({
    count: rows.length,
    estimateSize: (at) => (isHeading(rows[at]) ? 44 : 118 + (width - gap * (columns - 1)) / columns + gap),
    getItemKey: (at) => keyOf(rows[at], at),
    overscan: 4,
    scrollMargin: offset,
    scrollPaddingStart: 150,
    // Rows that scroll into view are rendered in the next frame, not within the scroll event; there are some in reserve.
    useFlushSync: false,
  });
  const items = virtual.getVirtualItems();
  const wanted = useRef<string | null>(null);
  const first = current !== null && photos.some(({ key }) => key === current) ? current : (photos[0]?.key ?? null);

  useImperativeHandle(handle, () => ({
    columns,
    focus(key) {
      const at = rows.findIndex((row) => !isHeading(row) && row.photos.some((photo) => photo.key === key));
      if (at < 0) return;
      wanted.current = key;
      if (!focusCard(list.current, key)) virtual.scrollToIndex(at, { align: "auto" });
      else wanted.current = null;
    },
  }));
  useEffect(() => {
    // The row was outside of the rendered ones when its card was to be focused.
    if (wanted.current !== null && focusCard(list.current, wanted.current)) wanted.current = null;
  });
  const atEnd = (items.at(-1)?.index ?? 0) >= rows.length - 3;
  useEffect(() => {
    if (atEnd && more && !loading) onMore();
  }, [atEnd, more, loading, onMore]);

  return (
    <>
      <div ref={list} className="grid" style={{ height: virtual.getTotalSize() }}>
        {items.map((item) => {
          const row = rows[item.index];
          if (row === undefined) return null;
          return (
            <div
              key={item.key}
              ref={virtual.measureElement}
              data-index={item.index}
              className="grid-row"
              style={{ transform: `translateY(${item.start - offset}px)` }}
            >
              {isHeading(row) ? (
                <Title order={row.level} className={row.level === 3 ? "grid-day" : "grid-batch"}>
                  {row.heading}
                </Title>
              ) : (
                <div className="grid-cards" style={{ gridTemplateColumns: `repeat(${columns}, minmax(0, 1fr))`, gap, paddingBottom: gap }}>
                  {row.photos.map((photo) => (
                    <PhotoCard
                      key={photo.key}
                      photo={photo}
                      selected={selection.has(photo.key)}
                      current={photo.key === first}
                      market={isPreset(photo.market) && photo.market !== "custom" ? texts.options.presets[photo.market] : ""}
                      versions={1 + (earlier.get(photo.key) ?? []).filter(({ phase }) => phase === "done").length}
                      actions={actions}
                    />
                  ))}
                </div>
              )}
            </div>
          );
        })}
      </div>
      {photos.length === 0 ? (
        <p className="empty muted">
          {loading ? <Loader size="sm" type="dots" role="status" aria-label={texts.photos.loading} /> : empty}
        </p>
      ) : null}
      {more ? (
        <Button variant="default" className="older" loading={loading} onClick={onMore}>
          {texts.photos.older}
        </Button>
      ) : null}
    </>
  );
}

function isHeading(row: Row | undefined): row is Heading {
  return row !== undefined && "heading" in row;
}

function keyOf(row: Row | undefined, at: number): string | number {
  if (row === undefined) return at;
  return isHeading(row) ? row.key : (row.photos[0]?.key ?? at);
}

function rowsOf(days: readonly Day[], columns: number, texts: Texts, tag: string): Row[] {
  const rows: Row[] = [];
  for (const { start, groups } of days) {
    if (start !== null) rows.push({ heading: dayName(start, tag), level: 3, key: `day ${start}` });
    // Photos that were added one by one need a heading only that separates them from a batch.
    const titled = groups.some(({ batch }) => batch !== null);
    for (const { batch, addedAt, photos } of groups) {
      const key = `batch ${batch ?? photos[0]?.key ?? ""}`;
      if (titled && addedAt !== null) {
        const time = new Date(addedAt).toLocaleTimeString(tag, { timeStyle: "short" });
        rows.push({ heading: texts.photos.batch(time, photos.length), level: 4, key });
      }
      for (let at = 0; at < photos.length; at += columns) rows.push({ photos: photos.slice(at, at + columns) });
    }
  }
  return rows;
}

function focusCard(list: HTMLElement | null, key: string): boolean {
  const card = list?.querySelector<HTMLElement>(`[data-key="${CSS.escape(key)}"] .card-picture`);
  card?.focus();
  return card != null;
}

/** Return the width of an element and its distance from the top of the page, in pixels. */
function useBox(element: RefObject<HTMLElement | null>): [width: number, offset: number] {
  const [box, setBox] = useState<[number, number]>([0, 0]);
  useLayoutEffect(() => {
    const measured = element.current;
    if (measured === null) return undefined;
    const measure = (): void => {
      const { width, top } = measured.getBoundingClientRect();
      const next: [number, number] = [width, Math.round(top + window.scrollY)];
      setBox((before) => (before[0] === next[0] && before[1] === next[1] ? before : next));
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(measured);
    observer.observe(document.body); // The parts above may become higher.
    return () => observer.disconnect();
  }, [element]);
  return box;
}
