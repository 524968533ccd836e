import type { ConnectionState } from "@whitebg/client";
import { useId } from "react";

import { useTexts } from "../i18n";

/** `unavailable`: the gateway is connected, the service behind it is not. `offline`: the device has no network. */
export type Shown = ConnectionState | "unavailable" | "offline";

/** The state of the connection as a word, never by the dot's colour alone; its meaning is shown on hover, focus and touch. */
export function ConnectionBadge({ state }: { state: Shown }) {
  const { connection } = useTexts();
  const hint = useId();
  return (
    <span className="badge-box">
      <span className="badge" data-state={state} role="status" tabIndex={0} aria-describedby={hint}>
        <span className="badge-dot" aria-hidden="true" />
        {connection[state]}
      </span>
      <span className="badge-hint" role="tooltip" id={hint}>
        {connection.hint[state]}
      </span>
    </span>
  );
}
