import { Tooltip } from "@mantine/core";
import type { ConnectionState } from "@whitebg/client";

import { useTexts } from "../i18n";

/** `unavailable`: the gateway is connected, the service behind it is not. */
export type Shown = ConnectionState | "unavailable";

/** The state of the connection as a word, never by the dot's colour alone. */
export function ConnectionBadge({ state }: { state: Shown }) {
  const { connection } = useTexts();
  return (
    <Tooltip label={connection.hint[state]} multiline maw={280} events={{ hover: true, focus: true, touch: true }}>
      <span className="badge" data-state={state} role="status" tabIndex={0}>
        <span className="badge-dot" aria-hidden="true" />
        {connection[state]}
      </span>
    </Tooltip>
  );
}
