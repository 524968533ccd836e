import { useSyncExternalStore } from "react";
import { flushSync } from "react-dom";

import { useLanguage } from "../i18n";
import type { Photo } from "../model/photos";
import { statusOf } from "../model/status";

interface Props {
  photos: readonly Photo[];
  /** Whether there are older photos that are not loaded. */
  partial: boolean;
}

/** Photos with names and verdicts, on paper only: the list on the screen renders no more than the rows in view. */
export function ContactSheet({ photos, partial }: Props) {
  const { texts, tag } = useLanguage();
  if (!usePrinting()) return null;
  return (
    <section className="sheet">
      <h2>{texts.photos.title}</h2>
      <p className="muted small">
        {texts.sheet.facts(new Date().toLocaleDateString(tag, { dateStyle: "long" }), photos.length)}
        {partial ? ` ${texts.sheet.partial}` : ""}
      </p>
      <ul className="sheet-photos">
        {photos.map((photo) => (
          <li key={photo.key} className="sheet-photo" data-status={statusOf(photo)}>
            <Picture photo={photo} problem={photo.problem === null ? "" : texts.problem[photo.problem].what} />
            <span className="sheet-name">{photo.name}</span>
            <span className="sheet-status small">{texts.review.statuses[statusOf(photo)]}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Picture({ photo, problem }: { photo: Photo; problem: string }) {
  const source = photo.phase === "done" ? (photo.thumbnail ?? photo.before) : null;
  // Before they print, browsers load the pictures that they have put off, and wait for them; for others they do not.
  return <span className="sheet-picture">{source === null ? problem : <img src={source} alt="" loading="lazy" />}</span>;
}

let printing = false;

/** Return whether the page is being printed; a change is rendered before the browser continues. */
function usePrinting(): boolean {
  return useSyncExternalStore(watchPrinting, () => printing);
}

function watchPrinting(changed: () => void): () => void {
  const become = (next: boolean) => () => {
    printing = next;
    flushSync(changed);
  };
  const [begin, end] = [become(true), become(false)];
  window.addEventListener("beforeprint", begin);
  window.addEventListener("afterprint", end);
  return () => {
    window.removeEventListener("beforeprint", begin);
    window.removeEventListener("afterprint", end);
  };
}
