import { ActionIcon, Tooltip } from "@mantine/core";
import type { IconZoomIn } from "@tabler/icons-react";

interface Props {
  label: string;
  icon: typeof IconZoomIn;
  onClick: () => void;
  disabled?: boolean;
}

/** A small button of an editor. */
export function ToolIcon({ label, icon: Shape, onClick, disabled = false }: Props) {
  return (
    <Tooltip label={label}>
      <ActionIcon variant="default" size="md" aria-label={label} disabled={disabled} onClick={onClick}>
        <Shape size={18} stroke={1.6} aria-hidden="true" />
      </ActionIcon>
    </Tooltip>
  );
}
