import { useReadable } from "@whitebg/client/react";
import { useCallback, useMemo, useRef, useState } from "react";

import { useTexts } from "../i18n";
import { useOptions } from "../model/options";
import type { Photo } from "../model/photos";
import { problemOf } from "../model/problem";
import { Selection } from "../model/selection";
import { type Filter, NO_FILTER } from "../model/status";
import { isUnderWay } from "../model/uploads";
import { Work } from "../model/work";
import type { World } from "../model/world";
import { Announcer } from "./Announcer";
import { BatchProgress } from "./BatchProgress";
import { ContactSheet } from "./ContactSheet";
import { DropZone } from "./DropZone";
import { Notice } from "./Notice";
import { OptionsPanel } from "./OptionsPanel";
import { Part, part } from "./Part";
import type { Actions } from "./PhotoCard";
import { type GridHandle, PhotoGrid } from "./PhotoGrid";
import { PhotosHead } from "./PhotosHead";
import { type BulkActions, SelectionBar } from "./SelectionBar";
import { Toolbar } from "./Toolbar";
import { UndoBar } from "./UndoBar";
import { useLeaveWarning, useOnline, usePageHide } from "./useBrowser";
import { useGridKeys } from "./useGridKeys";
import { usePhotos } from "./usePhotos";
import { useReview } from "./useReview";
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
  const { client, uploads } = world;
  const texts = useTexts();
  const [work] = useState(() => new Work(world));
  const [filter, setFilter] = useState<Filter>(NO_FILTER);
  const { photos, shown, earlier, days, visible, history } = usePhotos(world, work.removals, filter);
  const [chosen] = useState(() => new Selection());
  const selection = useReadable(chosen);
  const selected = useMemo(() => shown.filter(({ key }) => selection.has(key)), [shown, selection]);
  const [options, setOptions] = useOptions();
  const presets = useReadable(world.presets);
  const engines = useReadable(world.engines);
  const trouble = useReadable(world.trouble);
  const isUnsent = useReadable(uploads).some(isUnderWay);
  const isUndelivered = useReadable(world.decisions).size > 0;
  const [current, setCurrent] = useState<string | null>(null);
  const [reprocessed, setReprocessed] = useState<readonly Photo[] | null>(null);
  const [packed, setPacked] = useState<readonly Photo[] | null>(null);
  const [keysShown, setKeysShown] = useState(false);
  const grid = useRef<GridHandle>(null);
  const search = useRef<HTMLInputElement>(null);
  const review = useReview({ shown, visible, earlier }, grid, setCurrent);
  const online = useOnline();
  useLeaveWarning(isUnsent || isUndelivered);
  usePageHide(work.removals.finish);

  const order = visible.map(({ key }) => key);
  const actions = useStable<Actions>({
    view: review.open,
    cancel: (photo) => work.cancel([photo]),
    retry: (photo) => work.retry([photo]),
    remove: (photo) => work.remove([photo], earlier),
    decide: (photo, decision) => work.decide([photo], decision),
    select: ({ key }, extend) => (extend ? chosen.extend(key, order) : chosen.toggle(key)),
    focus: ({ key }) => setCurrent(key),
  });
  const bulk: BulkActions = {
    accept: (several) => work.decide(several, "accepted"),
    reject: (several) => work.decide(several, "rejected"),
    download: setPacked,
    reprocess: setReprocessed,
    retry: (several) => work.retry(several),
    cancel: (several) => work.cancel(several),
    remove(several) {
      work.remove(several, earlier);
      chosen.clear();
    },
  };
  const loadMaterial = useCallback(
    async (photo: Photo) => (await import("../touchup/images")).loadMaterial(client, photo),
    [client],
  );
  useGridKeys({
    enabled: !review.isOpen && reprocessed === null && packed === null && !keysShown,
    visible,
    selected,
    current,
    grid,
    onOpen: (photo) => (photo.phase === "done" ? review.open(photo) : undefined),
    onSelect: (photo, extend) => actions.select(photo, extend),
    onSelectAll: () => chosen.replace(order),
    onClear: () => chosen.clear(),
    onDecide: (several, decision) => work.decide(several, decision),
    onRemove: bulk.remove,
    onSearch: () => search.current?.focus(),
    onShortcuts: () => setKeysShown(true),
  });

  return (
    <>
      <section className="start" data-compact={photos.length > 0}>
        <div className="start-words">
          <h1>{texts.title}</h1>
          <p className="muted lead">{texts.lead}</p>
        </div>
        <div className="start-tools">
          <DropZone onFiles={(files) => uploads.add(files, options)} />
          <OptionsPanel options={options} presets={presets} engines={engines} onChange={setOptions} />
        </div>
      </section>
      {online ? null : <Notice text={texts.notice.offline} />}
      {trouble === null ? null : (
        <Notice text={texts.notice.actionFailed(texts.problem[problemOf(trouble)].what)} onDismiss={() => world.trouble.set(null)} />
      )}
      <section id="photos" className="photos" data-selecting={selected.length > 0} tabIndex={-1} aria-labelledby="photos-title">
        <PhotosHead photos={shown} partial={history.hasMore} onRetry={bulk.retry} onCancel={bulk.cancel} onDownload={setPacked} onDismiss={bulk.remove} />
        <BatchProgress photos={shown} />
        {shown.length > 0 ? (
          <Toolbar
            photos={shown}
            partial={history.hasMore}
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
      <ContactSheet
        // Of the dialog's photo, the selected ones, or all that the filter shows.
        photos={review.photo !== null ? [review.photo] : selected.length > 0 ? selected : visible}
        partial={history.hasMore && review.photo === null && selected.length === 0}
      />
      <UndoBar removals={work.removals} />
      {selected.length > 0 ? <SelectionBar photos={selected} actions={bulk} onClear={() => chosen.clear()} /> : null}
      <Part>
        <Dialogs.PhotoDialog
          photo={review.photo?.result == null ? null : review.photo}
          covered={reprocessed !== null}
          earlier={review.earlier.filter(({ phase }) => phase === "done")}
          position={review.position}
          total={review.total}
          onClose={review.close}
          onStep={review.step}
          onDecide={(photo, decision) => {
            work.decide([photo], decision);
            if (decision !== null) review.step(1);
          }}
          onReprocess={(photo) => setReprocessed([photo])}
          onCorrect={(photo, mask) => work.correct(photo, mask)}
          onPosition={(photo, position) => work.reposition(photo, position)}
          presets={presets}
          loadMaterial={loadMaterial}
          onStale={(photo) => work.refresh(photo)}
        />
        <Dialogs.ReprocessDialog
          photos={reprocessed}
          presets={presets}
          engines={engines}
          onClose={() => setReprocessed(null)}
          onStart={(several, outputs) => {
            setReprocessed(null);
            chosen.clear();
            work.reprocess(several, outputs);
          }}
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
