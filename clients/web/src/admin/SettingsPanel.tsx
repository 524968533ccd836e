import { Switch } from "@mantine/core";
import { useState } from "react";

import { useAdmin } from "./context";
import type { Overview } from "./api";
import { Panel, Table } from "./Panel";

/** Flags, and the settings of service and gateway: those that differ from their defaults, or all. */
export function SettingsPanel({ overview: { flags, settings } }: { overview: Overview }) {
  const { texts, tag } = useAdmin();
  const { settings: words } = texts;
  const [all, setAll] = useState(false);
  const shown = settings.filter(({ changed }) => all || changed);
  const columns = [{ title: words.name }, { title: words.process }, { title: words.value }];
  const percent = new Intl.NumberFormat(tag, { style: "percent", maximumFractionDigits: 2 });
  return (
    <Panel
      id="settings"
      title={words.title}
      action={<Switch size="xs" label={words.all} checked={all} onChange={(event) => setAll(event.currentTarget.checked)} />}
    >
      <p className="muted">{words.flags(percent.format(flags.rollout_percent / 100), flags.polling_interval_ms / 1_000)}</p>
      {shown.length === 0 ? (
        <p className="muted">{words.empty}</p>
      ) : (
        <Table labelledBy="settings" columns={columns}>
          {shown.map(({ process, name, value }) => (
            <tr key={`${process} ${name}`}>
              <th scope="row">
                <code>{name}</code>
              </th>
              <td>{words.processes[process]}</td>
              <td className="message">{value === "" ? "–" : <code>{value}</code>}</td>
            </tr>
          ))}
        </Table>
      )}
    </Panel>
  );
}
