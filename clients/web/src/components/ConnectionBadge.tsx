import { Tooltip } from "@mantine/core";
import type { ConnectionState } from "@whitebg/client";

import { useTexts } from "../i18n";

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
