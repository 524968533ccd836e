import { useAdmin } from "./context";
import type { AdminTask } from "./api";
import { Panel, Table } from "./Panel";

/** The latest tasks that failed. */
export function ErrorsPanel({ tasks }: { tasks: readonly AdminTask[] }) {
  const { texts, tag } = useAdmin();
  const { errors, failures, users } = texts;
  const time = new Intl.DateTimeFormat(tag, { dateStyle: "short", timeStyle: "medium" });
  const columns = [
    { title: errors.task, numeric: true },
    { title: users.user },
    { title: errors.when },
    { title: failures.code },
    { title: errors.message },
  ];
  return (
    <Panel id="errors" title={errors.title} empty={tasks.length === 0 ? errors.empty : null}>
      <Table labelledBy="errors" columns={columns}>
        {tasks.map((task) => (
          <tr key={task.task_id}>
            <td data-numeric>{task.task_id}</td>
            <td>{task.user_id}</td>
            <td>{time.format(new Date(task.updated_at))}</td>
            <td>
              <code>{task.error_code}</code>
            </td>
            <td className="message">{task.error_message}</td>
          </tr>
        ))}
      </Table>
    </Panel>
  );
}
