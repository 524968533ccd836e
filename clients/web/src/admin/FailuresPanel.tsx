import { Button } from "@mantine/core";
import { useState } from "react";

import { useAdmin } from "./context";
import type { Failure } from "./api";
import { Panel, Table } from "./Panel";
import { RequeueDialog } from "./RequeueDialog";

/** Recent failures by code. */
export function FailuresPanel({ failures, from }: { failures: readonly Failure[]; from: string }) {
  const { texts, tag } = useAdmin();
  const { failures: words } = texts;
  const [requeued, setRequeued] = useState<{ code: string; from: string } | null>(null);
  const time = new Intl.DateTimeFormat(tag, { dateStyle: "short", timeStyle: "medium" });
  const count = new Intl.NumberFormat(tag);
  const columns = [
    { title: words.code },
    { title: words.count, numeric: true },
    { title: words.latest },
    { title: words.message },
    { title: words.requeue, hidden: true },
  ];
  return (
    <Panel id="failures" title={words.title} empty={failures.length === 0 ? words.empty : null}>
      <Table labelledBy="failures" columns={columns}>
        {failures.map((failure) => (
          <tr key={failure.code}>
            <th scope="row">
              <code>{failure.code}</code>
            </th>
            <td data-numeric>{count.format(failure.count)}</td>
            <td>{time.format(new Date(failure.latest_at))}</td>
            <td className="message">{failure.message}</td>
            <td>
              <Button
                variant="default"
                size="compact-sm"
                aria-label={words.requeueFor(failure.code)}
                onClick={() => setRequeued({ code: failure.code, from })}
              >
                {words.requeue}
              </Button>
            </td>
          </tr>
        ))}
      </Table>
      {requeued === null ? null : <RequeueDialog {...requeued} onClose={() => setRequeued(null)} />}
    </Panel>
  );
}
