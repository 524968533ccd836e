import { CloseButton } from "@mantine/core";

import { useTexts } from "../i18n";

/** A short message that needs the user's attention now. */
export function Notice({ text, onDismiss }: { text: string; onDismiss?: () => void }) {
  const texts = useTexts();
  return (
    <div className="notice" role="alert">
      <span>{text}</span>
      {onDismiss === undefined ? null : <CloseButton size="sm" aria-label={texts.notice.dismiss} onClick={onDismiss} />}
    </div>
  );
}
