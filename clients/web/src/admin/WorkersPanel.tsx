import { Progress } from "@mantine/core";

import { useAdmin } from "./context";
import type { Overview } from "./api";
import { engineName } from "./engines";
import { Panel, Table } from "./Panel";
import { useAge } from "./useAge";

/** Workers and the tasks that they run. */
export function WorkersPanel({ workers }: { workers: Overview["workers"] }) {
  const { texts } = useAdmin();
  const { workers: words } = texts;
  const age = useAge();
  const columns = [
    { title: words.worker },
    { title: words.task, numeric: true },
    { title: words.user },
    { title: words.engine },
    { title: words.progress },
    { title: words.since, numeric: true },
  ];
  return (
    <Panel id="workers" title={words.title} empty={workers.length === 0 ? words.empty : null}>
      <Table labelledBy="workers" columns={columns}>
        {workers.flatMap(({ worker, tasks }) =>
          tasks.map((task, at) => (
            <tr key={task.task_id}>
              {at === 0 ? (
                <th scope="rowgroup" rowSpan={tasks.length}>
                  {worker}
                </th>
              ) : null}
              <td data-numeric>{task.task_id}</td>
              <td>{task.user_id}</td>
              <td>{engineName(task.engine, texts)}</td>
              <td>
                <span className="worker-progress">
                  <Progress value={task.progress} aria-label={`${words.progress} ${task.task_id}`} />
                  <span className="muted">{task.stage}</span>
                </span>
              </td>
              <td data-numeric>{age(task.started_at ?? task.updated_at)}</td>
            </tr>
          )),
        )}
      </Table>
    </Panel>
  );
}
