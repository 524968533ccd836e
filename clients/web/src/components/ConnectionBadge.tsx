import { Tooltip } from "@mantine/core";

import { useTexts } from "../i18n";
import type { ConnectionState } from "../live/live";

/** Says in a word how the page hears news; a dot's colour never says it alone. */
export function ConnectionBadge({ state }: { state: ConnectionState }) {
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
