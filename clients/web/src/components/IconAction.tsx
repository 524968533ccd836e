import { ActionIcon, type ActionIconProps } from "@mantine/core";
import type { IconX } from "@tabler/icons-react";

interface Props extends Pick<ActionIconProps, "variant" | "color" | "size" | "disabled"> {
  label: string;
  icon: typeof IconX;
  onClick: () => void;
}

/** A button that is only an icon; its name appears beside the pointer. */
export function IconAction({ label, icon: Shape, variant = "default", ...props }: Props) {
  return (
    <ActionIcon variant={variant} size="md" aria-label={label} data-tip={label} {...props}>
      <Shape size={18} stroke={1.6} aria-hidden="true" />
    </ActionIcon>
  );
}
