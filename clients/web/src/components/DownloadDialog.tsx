import { Button, Progress, TextInput } from "@mantine/core";
import { IconFileZip } from "@tabler/icons-react";
import { ApiError } from "@whitebg/client";
import { useState } from "react";

import { useTexts } from "../i18n";
import { DEFAULT_PATTERN, exampleOf, storedPattern, storePattern } from "../model/download";
import type { Photo } from "../model/photos";
import { Dialog } from "./Dialog";

interface Props {
  /** Null: closed. */
  photos: readonly Photo[] | null;
  onClose: () => void;
  /** Save the results; rejects if the transfer fails. */
  onSave: (photos: readonly Photo[], pattern: string, onProgress: (share: number) => void) => Promise<void>;
}

/** Names the files of a ZIP, and shows its progress. */
export function DownloadDialog({ photos, onClose, onSave }: Props) {
  const texts = useTexts();
  const words = texts.zip;
  const [pattern, setPattern] = useState(storedPattern);
  const [progress, setProgress] = useState<number | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [count, setCount] = useState(0);
  if (photos !== null && photos.length !== count) setCount(photos.length);
  const save = async () => {
    if (photos === null) return;
    storePattern(pattern);
    setProblem(null);
    setProgress(0);
    try {
      await onSave(photos, pattern || DEFAULT_PATTERN, (share) => setProgress(100 * share));
      onClose();
    } catch (error) {
      setProblem(error instanceof ApiError && error.status === 422 ? words.unusable : texts.notice.zipFailed);
    } finally {
      setProgress(null);
    }
  };
  return (
    <Dialog
      opened={photos !== null}
      onClose={onClose}
      title={words.title(count)}
    >
      <form
        className="zip"
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        <TextInput
          label={words.pattern}
          description={words.fields}
          inputWrapperOrder={["label", "input", "description"]}
          value={pattern}
          placeholder={DEFAULT_PATTERN}
          onChange={(event) => setPattern(event.currentTarget.value)}
        />
        {photos === null ? null : <p className="muted small">{words.sample(exampleOf(pattern || DEFAULT_PATTERN, photos))}</p>}
        <p className="muted small">{words.text}</p>
        {progress === null ? null : <Progress size={6} value={progress} aria-label={words.progress} />}
        {problem === null ? null : (
          <p className="problem small" role="alert">
            {problem}
          </p>
        )}
        <div className="dialog-end">
          <Button variant="default" onClick={onClose}>
            {texts.touchUp.cancel}
          </Button>
          <Button type="submit" loading={progress !== null} leftSection={<IconFileZip size={18} aria-hidden="true" />}>
            {words.save}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
