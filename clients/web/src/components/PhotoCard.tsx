import { ActionIcon, Button, Progress, Tooltip } from "@mantine/core";
import { IconAlertTriangle, IconDownload, IconPhoto, IconRefresh, IconX } from "@tabler/icons-react";
import { memo, type ReactNode, useState } from "react";

import { type Texts, useTexts } from "../i18n";
import { downloadUrl } from "../model/download";
import { needsALook, type Photo } from "../model/photos";
import type { ProblemKind } from "../model/problem";

export interface Actions {
  view(photo: Photo): void;
  cancel(photo: Photo): void;
  retry(photo: Photo): void;
  remove(photo: Photo): void;
}

/** The same photo will fail in the same way, so there is no button to try. */
const HOPELESS: ReadonlySet<ProblemKind> = new Set([
  "image_too_large",
  "not_an_image",
  "image_damaged",
  "no_product",
  "invalid",
  "gone",
]);

interface Props {
  photo: Photo;
  actions: Actions;
}

/** One photo: its picture, where it stands, and what can be done with it. */
export const PhotoCard = memo(
  function PhotoCard({ photo, actions }: Props) {
    const texts = useTexts();
    const { phase, name } = photo;
    const busy = phase === "uploading" || phase === "held" || phase === "waiting" || phase === "working";
    const named = (action: string) => texts.action.for(action, name);
    return (
      <li className="card" data-phase={phase}>
        <Picture photo={photo} onView={() => actions.view(photo)} label={named(texts.action.view)} />
        {needsALook(photo.detail) ? (
          <span className="card-chip">
            <IconAlertTriangle size={14} aria-hidden="true" /> {texts.confidence.chip}
          </span>
        ) : null}
        <div className="card-body">
          <p className="card-name" title={name}>
            {name}
          </p>
          <p className="card-state">{stateOf(photo, texts)}</p>
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
                <strong>{texts.problem[photo.problem].what + texts.problemEnd}</strong> {texts.problem[photo.problem].fix}
              </p>
            </div>
          )}
          <div className="card-actions">
            {busy ? (
              <Small label={named(texts.action.cancel)} icon={<IconX size={16} />} onClick={() => actions.cancel(photo)}>
                {texts.action.cancel}
              </Small>
            ) : null}
            {phase === "cancelled" || (photo.problem !== null && phase === "failed" && !HOPELESS.has(photo.problem)) ? (
              <Small
                label={named(texts.action.retry)}
                icon={<IconRefresh size={16} />}
                onClick={() => actions.retry(photo)}
              >
                {texts.action.retry}
              </Small>
            ) : null}
            {phase === "failed" && photo.taskId === null ? (
              <Small label={named(texts.action.remove)} icon={<IconX size={16} />} onClick={() => actions.remove(photo)}>
                {texts.action.remove}
              </Small>
            ) : null}
            {phase === "done" && photo.result !== null ? (
              <>
                <Button
                  variant="light"
                  size="compact-sm"
                  aria-label={named(texts.action.view)}
                  onClick={() => actions.view(photo)}
                >
                  {texts.action.view}
                </Button>
                <Tooltip label={texts.action.download}>
                  <ActionIcon
                    component="a"
                    href={downloadUrl(photo.result)}
                    download
                    variant="subtle"
                    aria-label={named(texts.action.download)}
                  >
                    <IconDownload size={18} stroke={1.6} aria-hidden="true" />
                  </ActionIcon>
                </Tooltip>
              </>
            ) : null}
          </div>
        </div>
      </li>
    );
  },
  // What the actions do follows from the photo; only their functions are new each time.
  (before, after) => before.photo === after.photo,
);

function Picture({ photo, onView, label }: { photo: Photo; onView: () => void; label: string }) {
  const source = photo.phase === "done" ? (photo.thumbnail ?? photo.before) : photo.before;
  const [broken, setBroken] = useState<string | null>(null);
  const picture =
    source === null || source === broken ? (
      <IconPhoto className="card-nothing" size={40} stroke={1} aria-hidden="true" />
    ) : (
      <img key={source} src={source} alt="" loading="lazy" decoding="async" onError={() => setBroken(source)} />
    );
  if (photo.phase !== "done") return <div className="card-picture">{picture}</div>;
  return (
    <button type="button" className="card-picture" data-white={photo.thumbnail !== null} aria-label={label} onClick={onView}>
      {picture}
    </button>
  );
}

interface SmallProps {
  label: string;
  icon: ReactNode;
  onClick: () => void;
  children: string;
}

function Small({ label, icon, onClick, children }: SmallProps) {
  return (
    <Button variant="subtle" color="gray" size="compact-sm" leftSection={icon} aria-label={label} onClick={onClick}>
      {children}
    </Button>
  );
}

function stateOf(photo: Photo, texts: Texts): string {
  const words = [texts.phase[photo.phase]];
  if (photo.phase === "waiting" && photo.position > 0) words.push(texts.position(photo.position));
  if (photo.phase === "working") {
    words[0] = (texts.stage as Partial<Record<string, string>>)[photo.stage] ?? texts.phase.working;
    words.push(`${photo.percent}%`);
  }
  if (photo.phase === "waiting" || photo.phase === "working") {
    if (photo.attempt > 1) words.push(texts.attempt(photo.attempt));
    if (photo.secondsLeft !== null) words.push(leftOf(photo.secondsLeft, texts));
  }
  return words.join(" · ");
}

function leftOf(seconds: number, texts: Texts): string {
  return seconds < 90 ? texts.left.seconds(Math.max(1, Math.round(seconds))) : texts.left.minutes(Math.round(seconds / 60));
}
