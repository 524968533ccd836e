import { Progress } from "@mantine/core";
import { IconAlertTriangle, IconCheck, IconDownload, IconPhoto, IconRefresh, IconX } from "@tabler/icons-react";
import { type DragEvent, memo, type ReactNode, useState } from "react";

import { type Texts, useLanguage, useTexts } from "../i18n";
import type { Decision } from "../model/decisions";
import { downloadUrl } from "../model/links";
import { doubtOf, extensionOf, type Photo } from "../model/photos";
import type { ProblemKind } from "../model/problem";
import { standing } from "../model/standing";

export interface Actions {
  view(photo: Photo): void;
  cancel(photo: Photo): void;
  retry(photo: Photo): void;
  remove(photo: Photo): void;
  decide(photo: Photo, decision: Decision | null): void;
  select(photo: Photo, extend: boolean): void;
  focus(photo: Photo): void;
}

/** Problems that recur with the same photo, so there is no retry button. */
export const HOPELESS: ReadonlySet<ProblemKind> = new Set([
  "image_too_large",
  "not_an_image",
  "empty",
  "unsupported",
  "image_damaged",
  "no_product",
  "invalid",
  "gone",
  "unsent",
]);

export function canRetry({ phase, problem, taskId, before }: Photo): boolean {
  const isHere = taskId !== null || before !== null; // Of files of an earlier visit, the page has no content.
  return phase === "cancelled" || (problem !== null && phase === "failed" && isHere && !HOPELESS.has(problem));
}

export function isBusy({ phase }: Photo): boolean {
  return phase === "uploading" || phase === "held" || phase === "waiting" || phase === "working";
}

interface Props {
  photo: Photo;
  selected: boolean;
  /** Whether Tab reaches this card and its controls; arrow keys go from there to the others. */
  current: boolean;
  market: string;
  versions: number;
  actions: Actions;
}

/**
 * One photo: its picture, state and actions. Its controls are plain HTML: scrolling makes hundreds of cards, and components
 * with a theme would take most of the time.
 */
export const PhotoCard = memo(function PhotoCard({ photo, selected, current, market, versions, actions }: Props) {
  const { texts, tag } = useLanguage();
  const { phase, name, result } = photo;
  const busy = isBusy(photo);
  const named = (action: string) => texts.action.for(action, name);
  const tabIndex = current ? 0 : -1;
  // A refused file is not on the server.
  const removal = photo.taskId === null ? texts.action.remove : texts.review.remove;
  return (
    <article
      className="card"
      data-phase={phase}
      data-key={photo.key}
      data-selected={selected}
      data-decision={photo.decision ?? undefined}
      aria-label={name}
    >
      <Picture photo={photo} current={current} actions={actions} />
      <label className="card-select">
        <input
          type="checkbox"
          tabIndex={tabIndex}
          aria-label={named(texts.review.select)}
          checked={selected}
          // The event of a click has the state of the shift key.
          onChange={(event) => actions.select(photo, (event.nativeEvent as MouseEvent).shiftKey)}
        />
      </label>
      <Chip photo={photo} texts={texts} />
      <div className="card-body">
        <p className="card-name" title={name}>
          {name}
        </p>
        <p className="card-state">
          {standing(photo, texts, tag)}
          {phase === "done" && market !== "" ? <span className="muted"> · {market}</span> : null}
          {versions > 1 ? <span className="muted"> · {texts.review.versionCount(versions)}</span> : null}
        </p>
        {busy ? (
          <Progress
            size={4}
            value={photo.percent}
            aria-label={named(texts.phase[phase])}
            {...(phase === "working" ? {} : { color: "gray" })}
          />
        ) : null}
        {photo.problem === null || phase === "cancelled" ? null : (
          <div className="card-problem" data-held={phase === "held"}>
            <p>
              <strong>{texts.problem[photo.problem].what + texts.problemEnd}</strong>
              {texts.problem[photo.problem].fix}
            </p>
          </div>
        )}
        <div className="card-actions">
          {busy ? (
            <Small tabIndex={tabIndex} label={named(texts.action.cancel)} icon={<IconX size={16} />} onClick={() => actions.cancel(photo)}>
              {texts.action.cancel}
            </Small>
          ) : null}
          {canRetry(photo) ? (
            <Small tabIndex={tabIndex} label={named(texts.action.retry)} icon={<IconRefresh size={16} />} onClick={() => actions.retry(photo)}>
              {texts.action.retry}
            </Small>
          ) : null}
          {phase === "failed" ? (
            <Small tabIndex={tabIndex} label={named(removal)} icon={<IconX size={16} />} onClick={() => actions.remove(photo)}>
              {removal}
            </Small>
          ) : null}
          {phase === "done" && result !== null ? (
            <>
              <button type="button" className="card-button card-view" tabIndex={tabIndex} aria-label={named(texts.action.view)} onClick={() => actions.view(photo)}>
                {texts.action.view}
              </button>
              <span className="card-icons">
                <Mark photo={photo} mark="accepted" tabIndex={tabIndex} actions={actions} />
                <Mark photo={photo} mark="rejected" tabIndex={tabIndex} actions={actions} />
                <a
                  href={downloadUrl(result)}
                  download
                  className="card-icon"
                  tabIndex={tabIndex}
                  aria-label={named(texts.action.download)}
                  data-tip={texts.action.download}
                >
                  <IconDownload size={18} stroke={1.6} aria-hidden="true" />
                </a>
              </span>
            </>
          ) : null}
        </div>
      </div>
    </article>
  );
});

function Chip({ photo, texts }: { photo: Photo; texts: Texts }) {
  const { decision } = photo;
  if (photo.phase === "done" && decision !== null) {
    const Icon = decision === "accepted" ? IconCheck : IconX;
    return (
      <span className="card-chip" data-decision={decision}>
        <Icon size={14} aria-hidden="true" /> {texts.review.decisions[decision]}
      </span>
    );
  }
  const doubt = doubtOf(photo.detail);
  if (doubt === null) return null;
  return (
    <span className="card-chip" data-verdict={doubt}>
      <IconAlertTriangle size={14} aria-hidden="true" /> {texts.chip[doubt]}
    </span>
  );
}

interface MarkProps {
  photo: Photo;
  mark: Decision;
  tabIndex: 0 | -1;
  actions: Actions;
}

function Mark({ photo, mark, tabIndex, actions }: MarkProps) {
  const { review, action } = useTexts();
  const words = mark === "accepted" ? review.accept : review.reject;
  const Icon = mark === "accepted" ? IconCheck : IconX;
  const active = photo.decision === mark;
  return (
    <button
      type="button"
      className="card-icon"
      tabIndex={tabIndex}
      aria-label={action.for(words, photo.name)}
      data-tip={words}
      aria-pressed={active}
      onClick={() => actions.decide(photo, active ? null : mark)}
    >
      <Icon size={18} stroke={1.8} aria-hidden="true" />
    </button>
  );
}

function Picture({ photo, current, actions }: { photo: Photo; current: boolean; actions: Actions }) {
  const texts = useTexts();
  const done = photo.phase === "done";
  const source = done ? (photo.thumbnail ?? photo.before) : photo.before;
  const [broken, setBroken] = useState<string | null>(null);
  const label = texts.action.for(done ? texts.action.view : texts.review.select, photo.name);
  return (
    <button
      type="button"
      className="card-picture"
      data-white={done && photo.thumbnail !== null}
      data-done={done}
      tabIndex={current ? 0 : -1}
      onFocus={() => actions.focus(photo)}
      aria-label={label}
      draggable={done && photo.result !== null}
      onDragStart={(event) => dragOut(event, photo)}
      onClick={(event) => {
        if (event.shiftKey || event.metaKey || event.ctrlKey || !done) actions.select(photo, event.shiftKey);
        else actions.view(photo);
      }}
    >
      {source === null || source === broken ? (
        <IconPhoto className="card-nothing" size={40} stroke={1} aria-hidden="true" />
      ) : (
        <img key={source} src={source} alt="" loading="lazy" decoding="async" draggable={false} onError={() => setBroken(source)} />
      )}
    </button>
  );
}

/** Let the full picture be dragged to a folder or another application, not its thumbnail. */
function dragOut({ dataTransfer }: DragEvent, { result, detail, name }: Photo): void {
  if (result === null) return;
  const url = downloadUrl(result);
  const type = detail?.result?.content_type ?? "image/png";
  const file = `${name.replace(/\.[^.]*$/, "").replaceAll(":", "_")}-white${extensionOf(type)}`;
  dataTransfer.setData("DownloadURL", `${type}:${file}:${url}`);
  dataTransfer.setData("text/uri-list", url);
}

interface SmallProps {
  tabIndex: 0 | -1;
  label: string;
  icon: ReactNode;
  onClick: () => void;
  children: string;
}

function Small({ tabIndex, label, icon, onClick, children }: SmallProps) {
  return (
    <button type="button" className="card-button" tabIndex={tabIndex} aria-label={label} onClick={onClick}>
      {icon} {children}
    </button>
  );
}
