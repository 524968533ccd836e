import { useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";

import { useTexts } from "../i18n";
import { type Photo, photosOf } from "../model/photos";
import { useOptions } from "../model/options";
import type { World } from "../model/world";
import { CompareDialog } from "./CompareDialog";
import { DropZone } from "./DropZone";
import { Notice } from "./Notice";
import { OptionsPanel } from "./OptionsPanel";
import { PhotoGrid } from "./PhotoGrid";

/** Where photos are added, watched and taken away. */
export function Studio({ world }: { world: World }) {
  const texts = useTexts();
  const uploads = useSyncExternalStore(world.uploads.subscribe, world.uploads.read);
  const list = useSyncExternalStore(world.tasks.subscribe, world.tasks.read);
  const photos = useMemo(() => photosOf(uploads, list.tasks), [uploads, list.tasks]);
  const [options, setOptions] = useOptions();
  const [shown, setShown] = useState<string | null>(null);
  const [trouble, setTrouble] = useState<string | null>(null);
  const online = useOnline();
  const photo = photos.find((each) => each.key === shown);
  useLeaveWarning(uploads.some((each) => each.state === "waiting" || each.state === "sending" || each.state === "held"));

  const act = async (action: () => Promise<unknown>) => {
    try {
      await action();
    } catch (error) {
      setTrouble(`${texts.notice.actionFailed}: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  const actions = {
    view: (each: Photo) => setShown(each.key),
    cancel: (each: Photo) => {
      const id = each.taskId;
      if (id === null) world.uploads.remove(each.key);
      else void act(async () => world.tasks.add(await world.gateway.cancel(id)));
    },
    retry: (each: Photo) => {
      const id = each.taskId;
      if (id === null) world.uploads.again(each.key);
      else void act(async () => world.tasks.add(await world.gateway.retry(id, crypto.randomUUID())));
    },
    remove: (each: Photo) => world.uploads.remove(each.key),
    refresh: (each: Photo) => {
      const id = each.taskId;
      if (id !== null) void act(() => world.tasks.refresh(id));
    },
  };

  return (
    <>
      <section className="start" data-compact={photos.length > 0}>
        <div className="start-words">
          <h1>{texts.title}</h1>
          <p className="muted lead">{texts.lead}</p>
        </div>
        <div className="start-tools">
          <DropZone onFiles={(files) => world.uploads.add(files, options)} />
          <OptionsPanel options={options} onChange={setOptions} />
        </div>
      </section>
      {online ? null : <Notice text={texts.notice.offline} />}
      {trouble === null ? null : <Notice text={trouble} onDismiss={() => setTrouble(null)} />}
      <PhotoGrid
        photos={photos}
        loaded={list.loaded}
        more={list.tasks.size < list.total}
        onMore={() => void act(() => world.tasks.loadOlder())}
        onZipTrouble={() => setTrouble(texts.notice.zipFailed)}
        actions={actions}
      />
      {photo?.result == null ? null : (
        <CompareDialog photo={photo} onClose={() => setShown(null)} onStale={() => actions.refresh(photo)} />
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
  const wanted = useRef(needed);
  useEffect(() => {
    wanted.current = needed;
  });
  useEffect(() => {
    const ask = (event: BeforeUnloadEvent) => {
      if (wanted.current) event.preventDefault();
    };
    window.addEventListener("beforeunload", ask);
    return () => window.removeEventListener("beforeunload", ask);
  }, []);
}
