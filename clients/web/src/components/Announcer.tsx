import { VisuallyHidden } from "@mantine/core";
import { useEffect, useRef } from "react";

import { useTexts } from "../i18n";
import type { Phase, Photo } from "../model/photos";

/** Announces to screen readers each photo that ended while the page was open; progress is left out. */
export function Announcer({ photos }: { photos: readonly Photo[] }) {
  const texts = useTexts();
  const known = useRef(new Map<string, Phase>());
  const region = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const news = [];
    for (const { key, phase, name } of photos) {
      const before = known.current.get(key);
      known.current.set(key, phase);
      if (before === undefined || before === phase) continue;
      if (phase === "done") news.push(texts.photos.announceDone(name));
      if (phase === "failed") news.push(texts.photos.announceFailed(name));
    }
    if (news.length > 0 && region.current !== null) region.current.textContent = news.join(". ");
  }, [photos, texts]);
  return (
    <VisuallyHidden>
      <div ref={region} aria-live="polite" />
    </VisuallyHidden>
  );
}
