import { useEffect, useRef } from "react";

import { useTexts } from "../i18n";
import { type Close, layers } from "../session/layers";

/** Let the browser's Back button close something that is open over the page. */
export function useLayer(isOpen: boolean, close: Close): void {
  const latest = useRef(close);
  useEffect(() => {
    latest.current = close;
  });
  useEffect(() => (isOpen ? layers.open(() => latest.current()) : undefined), [isOpen]);
}

/** The same for an editor, which asks before changes are lost; returns the function that leaves it in the same way. */
export function useEditorLayer(isChanged: boolean, close: () => void): () => void {
  const { touchUp } = useTexts();
  const leave = (): boolean => {
    if (isChanged && !confirm(touchUp.discard)) return false;
    close();
    return true;
  };
  useLayer(true, leave);
  return leave;
}
