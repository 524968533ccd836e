import { Button } from "@mantine/core";

import { useTexts } from "../i18n";
import type { Photo } from "../model/photos";
import { statusOf } from "../model/status";
import { canRetry, isBusy } from "./PhotoCard";

interface Props {
  photos: readonly Photo[];
  /** Whether there are older photos that are not loaded. */
  partial: boolean;
  onRetry: (photos: readonly Photo[]) => void;
  onCancel: (photos: readonly Photo[]) => void;
  onDownload: (photos: readonly Photo[]) => void;
  onDismiss: (photos: readonly Photo[]) => void;
}

/** The heading of the list, with the actions on all of its photos. */
export function PhotosHead({ photos, partial, onRetry, onCancel, onDownload, onDismiss }: Props) {
  const { photos: words, review, action } = useTexts();
  const done = photos.filter(({ phase }) => phase === "done");
  const accepted = done.filter((photo) => statusOf(photo) === "accepted");
  const failed = photos.filter((photo) => photo.phase === "failed" && canRetry(photo));
  // Files that never became tasks: one drop of the wrong folder can leave many.
  const refused = photos.filter(({ phase, taskId }) => phase === "failed" && taskId === null);
  const busy = photos.filter(isBusy);
  return (
    <div className="photos-head">
      <h2 id="photos-title">{words.title}</h2>
      {photos.length > 0 && busy.length === 0 && !partial ? <span className="muted">{words.summary(done.length, photos.length)}</span> : null}
      <span className="spring" />
      {failed.length > 1 ? <Action label={review.retryFailed(failed.length)} onClick={() => onRetry(failed)} /> : null}
      {refused.length > 1 ? <Action label={review.dismissAll(refused.length)} onClick={() => onDismiss(refused)} /> : null}
      {busy.length > 1 ? <Action label={review.cancelAll(busy.length)} onClick={() => onCancel(busy)} /> : null}
      {accepted.length > 0 ? <Action label={review.downloadAccepted(accepted.length)} onClick={() => onDownload(accepted)} /> : null}
      {done.length > 1 ? <Action label={(partial ? action.downloadNewest : action.downloadAll)(done.length)} onClick={() => onDownload(done)} /> : null}
    </div>
  );
}

function Action({ label, onClick }: { label: string; onClick: () => void }) {
  return (
    <Button variant="default" size="xs" onClick={onClick}>
      {label}
    </Button>
  );
}
