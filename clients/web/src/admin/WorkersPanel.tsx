import { Progress } from "@mantine/core";

import { useAdmin } from "./context";
import type { Overview } from "./api";
import { engineName } from "./engines";
import { Panel, Table } from "./Panel";
import { useAge } from "./useAge";

type Worker = Overview["workers"][number];

/** Live workers and the tasks that they run. */
export function WorkersPanel({ workers }: { workers: readonly Worker[] }) {
  const { texts } = useAdmin();
  const { workers: words } = texts;
  const columns = [
    { title: words.worker },
    { title: words.slots, numeric: true },
    { title: words.task, numeric: true },
    { title: words.user },
    { title: words.engine },
    { title: words.progress },
    { title: words.since, numeric: true },
  ];
  return (
    <Panel id="workers" title={words.title} empty={workers.length === 0 ? words.empty : null}>
      <Table labelledBy="workers" columns={columns}>
        {workers.map((worker) => (
          <WorkerRows key={worker.worker} worker={worker} />
        ))}
      </Table>
    </Panel>
  );
}

function WorkerRows({ worker }: { worker: Worker }) {
  const { texts } = useAdmin();
  const { workers: words } = texts;
  const age = useAge();
  const { tasks } = worker;
  const rows = Math.max(1, tasks.length);
  const head = (
    <>
      <th scope="rowgroup" rowSpan={rows}>
        {worker.worker}
        <span className="muted worker-kind">
          {[worker.version, ...worker.engines.map((engine) => engineName(engine, texts))].join(" · ")}
        </span>
      </th>
      <td data-numeric rowSpan={rows}>
        {worker.slots === 0 ? "–" : `${tasks.length} / ${worker.slots}`}
      </td>
    </>
  );
  if (tasks.length === 0) {
    return (
      <tr>
        {head}
        <td className="muted" colSpan={5}>
          {words.idle}
        </td>
      </tr>
    );
  }
  return tasks.map((task, at) => (
    <tr key={task.task_id}>
      {at === 0 ? head : null}
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
  ));
}
