import { useReadable, useTaskHistory } from "@whitebg/client/react";
import { useEffect, useMemo, useState, useSyncExternalStore } from "react";

import { useTexts } from "../i18n";
import { useOptions } from "../model/options";
import { type Photo, PhotoList } from "../model/photos";
import { problemOf } from "../model/problem";
import { isUnderWay } from "../model/uploads";
import type { World } from "../model/world";
import { CompareDialog } from "./CompareDialog";
import { DropZone } from "./DropZone";
import { Notice } from "./Notice";
import { OptionsPanel } from "./OptionsPanel";
import type { Actions } from "./PhotoCard";
import { PhotoGrid } from "./PhotoGrid";

/** Where photos are added, watched and taken away. */
export function Studio({ world }: { world: World }) {
  const { client, uploads: sending } = world;
  const texts = useTexts();
  const uploads = useReadable(sending);
  const presets = useReadable(world.presets);
  const history = useTaskHistory();
  const [list] = useState(() => new PhotoList());
  const photos = useMemo(() => list.of(uploads, history.tasks), [list, uploads, history.tasks]);
  const [options, setOptions] = useOptions();
  const [shown, setShown] = useState<string | null>(null);
  const [trouble, setTrouble] = useState<string | null>(null);
  const online = useOnline();
  const photo = photos.find((each) => each.key === shown);
  useLeaveWarning(uploads.some(isUnderWay));

  const act = (action: Promise<unknown>) => {
    action.catch((error: unknown) => {
      setTrouble(texts.notice.actionFailed(texts.problem[problemOf(error)].what));
    });
  };
  const actions: Actions = {
    view: (each) => setShown(each.key),
    cancel(each) {
      if (each.taskId === null) sending.cancel(each.key);
      else act(world.cancel(each.taskId));
    },
    retry(each) {
      if (each.taskId === null) sending.again(each.key);
      else act(client.retry(each.taskId));
    },
    remove: (each) => sending.remove(each.key),
  };
  const refresh = ({ taskId }: Photo) => {
    if (taskId !== null) act(client.refresh(taskId));
  };

  return (
    <>
      <section className="start" data-compact={photos.length > 0}>
        <div className="start-words">
          <h1>{texts.title}</h1>
          <p className="muted lead">{texts.lead}</p>
        </div>
        <div className="start-tools">
          <DropZone onFiles={(files) => sending.add(files, options)} />
          <OptionsPanel options={options} presets={presets} onChange={setOptions} />
        </div>
      </section>
      {online ? null : <Notice text={texts.notice.offline} />}
      {trouble === null ? null : <Notice text={trouble} onDismiss={() => setTrouble(null)} />}
      <PhotoGrid
        photos={photos}
        loading={history.isLoading || history.error !== null}
        more={history.hasMore}
        onMore={history.loadMore}
        onZipTrouble={() => setTrouble(texts.notice.zipFailed)}
        actions={actions}
      />
      {photo?.result == null ? null : (
        <CompareDialog photo={photo} onClose={() => setShown(null)} onStale={() => refresh(photo)} />
      )}
    </>
  );
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

/** Photos that were not sent yet are known to this page only: ask before it is closed. */
function useLeaveWarning(needed: boolean): void {
  useEffect(() => {
    if (!needed) return undefined;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener("beforeunload", ask);
    return () => window.removeEventListener("beforeunload", ask);
  }, [needed]);
}
