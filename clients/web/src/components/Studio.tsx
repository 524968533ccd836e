import { Button } from "@mantine/core";
import { uuid, type VersionOptions } from "@whitebg/client";
import { useReadable, useTaskHistory } from "@whitebg/client/react";
import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";

import { useTexts } from "../i18n";
import { forEach, patiently } from "../model/batch";
import { byDay, inOrder } from "../model/days";
import type { Decision } from "../model/decisions";
import { formOf, formOfTask, type Options, useOptions } from "../model/options";
import { type Photo, PhotoList } from "../model/photos";
import { problemOf } from "../model/problem";
import { type Removal, Removals } from "../model/removals";
import { Selection } from "../model/selection";
import { countStatuses, type Filter, matching, NO_FILTER, statusOf } from "../model/status";
import { isUnderWay } from "../model/uploads";
import { arrange } from "../model/versions";
import type { World } from "../model/world";
import type { Position } from "../position/fit";
import { Announcer } from "./Announcer";
import { BatchProgress } from "./BatchProgress";
import { DropZone } from "./DropZone";
import { Notice } from "./Notice";
import { OptionsPanel } from "./OptionsPanel";
import { Part, part } from "./Part";
import { type Actions, canRetry, isBusy } from "./PhotoCard";
import { type GridHandle, PhotoGrid } from "./PhotoGrid";
import { type BulkActions, SelectionBar } from "./SelectionBar";
import { Toolbar } from "./Toolbar";
import { useGridKeys } from "./useGridKeys";
import { useStable } from "./useStable";

const dialogs = () => import("./dialogs");
/** Loaded after the page itself, in the background. */
const Dialogs = {
  PhotoDialog: part(async () => (await dialogs()).PhotoDialog),
  ReprocessDialog: part(async () => (await dialogs()).ReprocessDialog),
  DownloadDialog: part(async () => (await dialogs()).DownloadDialog),
  ShortcutsDialog: part(async () => (await dialogs()).ShortcutsDialog),
};

/** The main view: add photos, follow their progress, review and save the results. */
export function Studio({ world }: { world: World }) {
  const { client, uploads: sending, decisions: decided } = world;
  const texts = useTexts();
  const uploads = useReadable(sending);
  const undelivered = useReadable(decided);
  const presets = useReadable(world.presets);
  const engines = useReadable(world.engines);
  const history = useTaskHistory();
  const [list] = useState(() => new PhotoList());
  const photos = useMemo(() => list.of(uploads, history.tasks, undelivered), [list, uploads, history.tasks, undelivered]);
  const trouble = useReadable(world.trouble);
  const report = (error: unknown) => world.trouble.set(error);
  const act = (action: Promise<unknown>) => void action.catch(report);
  const [removals] = useState(() => new Removals((taskIds) => client.delete(taskIds), report));
  const removed = useReadable(removals);
  const { shown, earlier, first } = useMemo(() => arrange(withoutRemoved(photos, removed)), [photos, removed]);
  const [filter, setFilter] = useState<Filter>(NO_FILTER);
  const days = useMemo(() => byDay(matching(shown, filter), first), [shown, filter, first]);
  const visible = useMemo(() => inOrder(days), [days]);
  const counts = useMemo(() => countStatuses(shown), [shown]);
  const markets = useMemo(() => [...new Set(shown.map(({ market }) => market))].filter((each) => each !== "").sort(), [shown]);
  const [chosen] = useState(() => new Selection());
  const selection = useReadable(chosen);
  const selected = useMemo(() => shown.filter(({ key }) => selection.has(key)), [shown, selection]);
  const [options, setOptions] = useOptions();
  const [current, setCurrent] = useState<string | null>(null);
  const [viewed, setViewed] = useState<string | null>(null);
  const [reprocessed, setReprocessed] = useState<readonly Photo[] | null>(null);
  const [packed, setPacked] = useState<readonly Photo[] | null>(null);
  const [keysShown, setKeysShown] = useState(false);
  const grid = useRef<GridHandle>(null);
  const search = useRef<HTMLInputElement>(null);
  const online = useOnline();
  useLeaveWarning(uploads.some(isUnderWay) || undelivered.size > 0);

  // The photos that are stepped through: those of the filter, as they were when the dialog was opened.
  const [queue, setQueue] = useState<readonly string[]>([]);
  const reviewable = useMemo(() => visible.filter(({ phase }) => phase === "done"), [visible]);
  const viewedPhoto = viewed === null ? undefined : latestOf(viewed, shown, earlier);
  const position = queue.indexOf(viewed ?? "");
  const open = (photo: Photo) => {
    setQueue(reviewable.map(({ key }) => key));
    setViewed(photo.key);
    setCurrent(photo.key);
  };
  const close = () => {
    setViewed(null);
    // Back to the card of the photo that was shown last or, if the filter hides it by now, to the nearest one.
    const near = [viewedPhoto?.key, ...queue.slice(position + 1), ...queue.slice(0, Math.max(0, position)).reverse()];
    const key = near.find((each) => visible.some((photo) => photo.key === each)) ?? visible[0]?.key;
    if (key !== undefined) requestAnimationFrame(() => grid.current?.focus(key));
  };
  const step = (by: 1 | -1) => {
    const next = queue[position + by];
    if (next === undefined) return;
    setViewed(next);
    setCurrent(next);
  };

  const decide = (several: readonly Photo[], decision: Decision | null) => {
    decided.decide(several.flatMap(({ taskId, phase }) => (taskId === null || phase !== "done" ? [] : [taskId])), decision ?? "open");
  };
  const cancel = (photo: Photo): Promise<unknown> => {
    if (photo.taskId !== null) return world.cancel(photo.taskId);
    sending.cancel(photo.key);
    return Promise.resolve();
  };
  const retry = (photo: Photo): Promise<unknown> => {
    if (photo.taskId !== null) return client.retry(photo.taskId);
    sending.again(photo.key);
    return Promise.resolve();
  };
  const order = visible.map(({ key }) => key);
  const actions = useStable<Actions>({
    view: open,
    cancel: (photo) => act(cancel(photo)),
    retry: (photo) => act(retry(photo)),
    remove: (photo) => sending.remove(photo.key),
    decide: (photo, decision) => decide([photo], decision),
    select: ({ key }, extend) => (extend ? chosen.extend(key, order) : chosen.toggle(key)),
    focus: ({ key }) => setCurrent(key),
  });
  const bulk: BulkActions = {
    accept: (several) => decide(several, "accepted"),
    reject: (several) => decide(several, "rejected"),
    download: setPacked,
    reprocess: setReprocessed,
    retry: (several) => act(forEach(several, retry)),
    cancel: (several) => act(forEach(several, cancel)),
    remove(several) {
      for (const { key, taskId } of several) if (taskId === null) sending.remove(key);
      const replaced = several.flatMap(({ key }) => earlier.get(key) ?? []);
      removals.add([...several, ...replaced].flatMap(({ taskId }) => (taskId === null ? [] : [taskId])));
      chosen.clear();
    },
  };
  const reprocess = (several: readonly Photo[], outputs: readonly Options[]) => {
    setReprocessed(null);
    chosen.clear();
    const jobs = several.flatMap(({ taskId }) => (taskId === null ? [] : outputs.map((each) => ({ taskId, options: { ...formOf(each), idempotencyKey: uuid() } }))));
    act(forEach(jobs, ({ taskId, options: form }) => client.createVersion(taskId, form)));
  };
  /** Make a version, once; sent again while the service is unavailable for a moment. */
  const createVersion = (taskId: number, form: VersionOptions): Promise<unknown> => {
    const idempotencyKey = uuid();
    return patiently(() => client.createVersion(taskId, { ...form, idempotencyKey }));
  };
  const correct = async ({ taskId, detail }: Photo, mask: Blob) => {
    if (taskId === null || detail === null) return;
    await createVersion(taskId, { ...formOfTask(detail), mask });
    decided.decide([taskId], "open");
  };
  const reposition = async ({ taskId, detail }: Photo, position: Position) => {
    if (taskId === null || detail === null) return;
    await createVersion(taskId, { ...formOfTask(detail, { keepsCutOut: true }), ...position });
    decided.decide([taskId], "open");
  };
  const refresh = ({ taskId }: Photo) => {
    if (taskId !== null) act(client.refresh(taskId));
  };
  const loadMaterial = useCallback(
    async (photo: Photo) => (await import("../touchup/images")).loadMaterial(client, photo),
    [client],
  );
  const dialogOpen = viewed !== null || reprocessed !== null || packed !== null || keysShown;
  useGridKeys({
    enabled: !dialogOpen,
    visible,
    selected,
    current,
    grid,
    onOpen: (photo) => (photo.phase === "done" ? open(photo) : undefined),
    onSelect: (photo, extend) => actions.select(photo, extend),
    onSelectAll: () => chosen.replace(order),
    onClear: () => chosen.clear(),
    onDecide: decide,
    onRemove: bulk.remove,
    onSearch: () => search.current?.focus(),
    onShortcuts: () => setKeysShown(true),
  });

  const done = shown.filter(({ phase }) => phase === "done");
  const accepted = done.filter((photo) => statusOf(photo) === "accepted");
  const failed = shown.filter((photo) => photo.phase === "failed" && canRetry(photo));
  const busy = shown.filter(isBusy);
  return (
    <>
      <section className="start" data-compact={photos.length > 0}>
        <div className="start-words">
          <h1>{texts.title}</h1>
          <p className="muted lead">{texts.lead}</p>
        </div>
        <div className="start-tools">
          <DropZone onFiles={(files) => sending.add(files, options)} />
          <OptionsPanel options={options} presets={presets} engines={engines} onChange={setOptions} />
        </div>
      </section>
      {online ? null : <Notice text={texts.notice.offline} />}
      {trouble === null ? null : (
        <Notice text={texts.notice.actionFailed(texts.problem[problemOf(trouble)].what)} onDismiss={() => report(null)} />
      )}
      <section id="photos" className="photos" data-selecting={selected.length > 0} tabIndex={-1} aria-labelledby="photos-title">
        <div className="photos-head">
          <h2 id="photos-title">{texts.photos.title}</h2>
          {shown.length > 0 && busy.length === 0 ? <span className="muted">{texts.photos.summary(done.length, shown.length)}</span> : null}
          <span className="spring" />
          {failed.length > 1 ? <Head label={texts.review.retryFailed(failed.length)} onClick={() => bulk.retry(failed)} /> : null}
          {busy.length > 1 ? <Head label={texts.review.cancelAll(busy.length)} onClick={() => bulk.cancel(busy)} /> : null}
          {accepted.length > 0 ? (
            <Head label={texts.review.downloadAccepted(accepted.length)} onClick={() => setPacked(accepted)} />
          ) : null}
          {done.length > 1 ? <Head label={texts.action.downloadAll(done.length)} onClick={() => setPacked(done)} /> : null}
        </div>
        <BatchProgress photos={shown} />
        {shown.length > 0 ? (
          <Toolbar
            counts={counts}
            total={shown.length}
            partial={history.hasMore}
            markets={markets}
            filter={filter}
            onFilter={setFilter}
            onShortcuts={() => setKeysShown(true)}
            search={search}
          />
        ) : null}
        <PhotoGrid
          handle={grid}
          days={days}
          photos={visible}
          selection={selection}
          earlier={earlier}
          current={current}
          empty={shown.length === 0 ? texts.photos.empty : texts.review.noMatch}
          loading={history.isLoading || history.error !== null}
          more={history.hasMore}
          onMore={history.loadMore}
          actions={actions}
        />
        <Announcer photos={photos} />
      </section>
      {removals.undoable > 0 ? <UndoBar count={removals.undoable} onUndo={() => removals.undo()} /> : null}
      {selected.length > 0 ? <SelectionBar photos={selected} actions={bulk} onClear={() => chosen.clear()} /> : null}
      <Part>
        <Dialogs.PhotoDialog
          photo={viewedPhoto?.result == null ? null : viewedPhoto}
          covered={reprocessed !== null}
          earlier={(earlier.get(viewedPhoto?.key ?? "") ?? []).filter(({ phase }) => phase === "done")}
          position={position + 1}
          total={queue.length}
          onClose={close}
          onStep={step}
          onDecide={(photo, decision) => {
            decide([photo], decision);
            if (decision !== null) step(1);
          }}
          onReprocess={(photo) => setReprocessed([photo])}
          onCorrect={correct}
          onPosition={reposition}
          presets={presets}
          loadMaterial={loadMaterial}
          onStale={refresh}
        />
        <Dialogs.ReprocessDialog
          photos={reprocessed}
          presets={presets}
          engines={engines}
          onClose={() => setReprocessed(null)}
          onStart={reprocess}
        />
        <Dialogs.DownloadDialog
          photos={packed}
          onClose={() => setPacked(null)}
          onSave={async (several, pattern, onProgress) =>
            (await import("../model/download")).saveAll(several, pattern, (ids, name) => client.http.archive(ids, name), onProgress)
          }
        />
        <Dialogs.ShortcutsDialog opened={keysShown} onClose={() => setKeysShown(false)} />
      </Part>
    </>
  );
}

function withoutRemoved(photos: readonly Photo[], removals: readonly Removal[]): readonly Photo[] {
  if (removals.length === 0) return photos;
  return photos.filter(({ taskId }) => taskId === null || !removals.some((removal) => removal.taskIds.has(taskId)));
}

function UndoBar({ count, onUndo }: { count: number; onUndo: () => void }) {
  const { review } = useTexts();
  return (
    <div className="selection undo" role="status">
      <span>{review.removed(count)}</span>
      <Button variant="subtle" size="compact-sm" onClick={onUndo}>
        {review.undo}
      </Button>
    </div>
  );
}

function Head({ label, onClick }: { label: string; onClick: () => void }) {
  return (
    <Button variant="default" size="xs" onClick={onClick}>
      {label}
    </Button>
  );
}

/** Return the shown photo with a key, or the one that has replaced it as a later version. */
function latestOf(key: string, shown: readonly Photo[], earlier: ReadonlyMap<string, readonly Photo[]>): Photo | undefined {
  const own = shown.find((photo) => photo.key === key);
  if (own !== undefined) return own;
  const later = [...earlier].find(([, versions]) => versions.some((photo) => photo.key === key))?.[0];
  return shown.find((photo) => photo.key === later);
}

function useOnline(): boolean {
  return useSyncExternalStore(
    (changed) => {
      window.addEventListener("online", changed);
      window.addEventListener("offline", changed);
      return () => {
        window.removeEventListener("online", changed);
        window.removeEventListener("offline", changed);
      };
    },
    () => navigator.onLine,
  );
}

/** Ask before the page is closed while photos are not uploaded yet, because only this page has them. */
function useLeaveWarning(needed: boolean): void {
  useEffect(() => {
    if (!needed) return undefined;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener("beforeunload", ask);
    return () => window.removeEventListener("beforeunload", ask);
  }, [needed]);
}
