import { Numbers } from "../model/numbers";
import { useAdmin } from "./context";
import { ageOf, engineSeconds } from "./figures";
import { Panel, Table } from "./Panel";
import { useUsers } from "./queries";

/** Users with their tasks, stored images and today's usage. */
export function UsersPanel() {
  const { texts, tag } = useAdmin();
  const { users: words } = texts;
  const { data, error } = useUsers();
  const numbers = new Numbers(tag);
  const count = new Intl.NumberFormat(tag);
  const columns = [
    { title: words.user },
    { title: words.waiting, numeric: true },
    { title: words.running, numeric: true },
    { title: words.stored, numeric: true },
    { title: words.photos, numeric: true },
    { title: words.results, numeric: true },
    { title: words.engine, numeric: true },
    { title: words.calls, numeric: true },
  ];
  const state = data === undefined ? (error === null ? texts.loading : texts.stale(error.message)) : null;
  return (
    <Panel id="users" title={words.title} empty={state ?? (data?.length === 0 ? words.empty : null)}>
      <Table labelledBy="users" columns={columns}>
        {(data ?? []).map(({ user, usage }) => (
          <tr key={user.user_id}>
            <th scope="row">{user.user_id}</th>
            <td data-numeric>{count.format(user.pending)}</td>
            <td data-numeric>{count.format(user.running)}</td>
            <td data-numeric>{numbers.bytes(user.stored_bytes)}</td>
            <td data-numeric>{count.format(usage?.photos ?? 0)}</td>
            <td data-numeric>{count.format(usage?.results ?? 0)}</td>
            <td data-numeric>{ageOf(usage === null ? 0 : engineSeconds(usage), texts)}</td>
            <td data-numeric>{count.format(usage?.gemini_calls ?? 0)}</td>
          </tr>
        ))}
      </Table>
    </Panel>
  );
}
