import { Button } from "@mantine/core";
import { useReadable } from "@whitebg/client/react";

import { useTexts } from "../i18n";
import type { Removals } from "../model/removals";

/** Offers to undo the latest deletion, for as long as that is possible. */
export function UndoBar({ removals }: { removals: Removals }) {
  const { review } = useTexts();
  useReadable(removals);
  if (removals.undoable === 0) return null;
  return (
    <div className="selection undo" role="status">
      <span>{review.removed(removals.undoable)}</span>
      <Button variant="subtle" size="compact-sm" onClick={() => removals.undo()}>
        {review.undo}
      </Button>
    </div>
  );
}
