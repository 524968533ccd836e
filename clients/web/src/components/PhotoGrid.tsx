import { Button, Loader, Progress } from "@mantine/core";
import { IconFileZip } from "@tabler/icons-react";
import { useState } from "react";

import { useTexts } from "../i18n";
import { saveAll } from "../model/download";
import type { Phase, Photo } from "../model/photos";
import { Announcer } from "./Announcer";
import { type Actions, PhotoCard } from "./PhotoCard";

interface Props {
  photos: readonly Photo[];
  /** Whether more may be there than is shown. */
  loading: boolean;
  more: boolean;
  onMore: () => void;
  onZipTrouble: () => void;
  actions: Actions;
}

const SETTLED: ReadonlySet<Phase> = new Set(["done", "failed", "cancelled"]);

/** All photos, newest first, each with where it stands. */
export function PhotoGrid({ photos, loading, more, onMore, onZipTrouble, actions }: Props) {
  const texts = useTexts();
  const done = photos.filter((photo) => photo.phase === "done");
  const busy = photos.some(({ phase }) => !SETTLED.has(phase));
  const [packing, setPacking] = useState(false);
  const pack = async () => {
    setPacking(true);
    try {
      await saveAll(done);
    } catch {
      onZipTrouble();
    } finally {
      setPacking(false);
    }
  };
  return (
    <section id="photos" className="photos" tabIndex={-1} aria-labelledby="photos-title">
      <div className="photos-head">
        <h2 id="photos-title">{texts.photos.title}</h2>
        {photos.length > 0 ? (
          <span className="muted">{texts.photos.summary(done.length, photos.length)}</span>
        ) : null}
        <span className="spring" />
        {done.length > 1 ? (
          <Button
            variant="default"
            size="sm"
            loading={packing}
            leftSection={<IconFileZip size={16} aria-hidden="true" />}
            onClick={() => void pack()}
          >
            {texts.action.downloadAll(done.length)}
          </Button>
        ) : null}
      </div>
      {busy && photos.length > 1 ? (
        <Progress
          className="photos-progress"
          size={4}
          value={(100 * photos.filter(({ phase }) => SETTLED.has(phase)).length) / photos.length}
          aria-label={texts.photos.title}
        />
      ) : null}
      {photos.length === 0 ? (
        <p className="empty muted">
          {loading ? <Loader size="sm" type="dots" aria-label={texts.photos.loading} /> : texts.photos.empty}
        </p>
      ) : (
        <ul className="grid">
          {photos.map((photo) => (
            <PhotoCard key={photo.key} photo={photo} actions={actions} />
          ))}
        </ul>
      )}
      {more ? (
        <Button variant="default" className="older" loading={loading} onClick={onMore}>
          {texts.photos.older}
        </Button>
      ) : null}
      <Announcer photos={photos} />
    </section>
  );
}
