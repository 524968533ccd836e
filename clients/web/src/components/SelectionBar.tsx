import { Button, CloseButton } from "@mantine/core";
import { IconCheck, IconDownload, IconPlayerStop, IconRefresh, IconRotate, IconTrash, IconX } from "@tabler/icons-react";
import type { ReactNode } from "react";

import { useTexts } from "../i18n";
import type { Photo } from "../model/photos";
import { canRetry, isBusy } from "./PhotoCard";

export interface BulkActions {
  accept: (photos: readonly Photo[]) => void;
  reject: (photos: readonly Photo[]) => void;
  download: (photos: readonly Photo[]) => void;
  reprocess: (photos: readonly Photo[]) => void;
  retry: (photos: readonly Photo[]) => void;
  cancel: (photos: readonly Photo[]) => void;
  remove: (photos: readonly Photo[]) => void;
}

interface Props {
  photos: readonly Photo[];
  actions: BulkActions;
  onClear: () => void;
}

/** Actions for the selected photos; at the bottom of the screen. */
export function SelectionBar({ photos, actions, onClear }: Props) {
  const texts = useTexts();
  const words = texts.review;
  const done = photos.filter(({ phase }) => phase === "done");
  const stored = photos.filter(({ taskId }) => taskId !== null);
  const retryable = photos.filter(canRetry);
  const busy = photos.filter(isBusy);
  return (
    <div className="selection" role="region" aria-label={words.selected(photos.length)}>
      <CloseButton size="sm" aria-label={words.clear} onClick={onClear} />
      <strong className="selection-count">{words.selected(photos.length)}</strong>
      <Action on={done} icon={<IconCheck size={16} />} label={words.accept} act={actions.accept} />
      <Action on={done} icon={<IconX size={16} />} label={words.reject} act={actions.reject} />
      <Action on={done} icon={<IconDownload size={16} />} label={texts.action.download} act={actions.download} />
      <Action on={stored} icon={<IconRefresh size={16} />} label={words.reprocess} act={actions.reprocess} />
      <Action on={retryable} icon={<IconRotate size={16} />} label={texts.action.retry} act={actions.retry} />
      <Action on={busy} icon={<IconPlayerStop size={16} />} label={texts.action.cancel} act={actions.cancel} />
      <Action on={photos} icon={<IconTrash size={16} />} label={words.remove} act={actions.remove} />
    </div>
  );
}

interface ActionProps {
  on: readonly Photo[];
  icon: ReactNode;
  label: string;
  act: (photos: readonly Photo[]) => void;
}

function Action({ on, icon, label, act }: ActionProps) {
  if (on.length === 0) return null;
  return (
    <Button variant="subtle" color="gray" size="compact-sm" leftSection={icon} title={label} onClick={() => act(on)}>
      {label}
    </Button>
  );
}
