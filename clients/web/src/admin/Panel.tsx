import type { ReactNode } from "react";

interface Props {
  id: string;
  title: string;
  /** Shown in place of the content; null: there is content. */
  empty?: string | null;
  /** Beside the title. */
  action?: ReactNode;
  children: ReactNode;
}

/** A section of the page with its heading. */
export function Panel({ id, title, empty = null, action, children }: Props) {
  return (
    <section className="panel" aria-labelledby={id}>
      <div className="panel-head">
        <h2 id={id}>{title}</h2>
        {action}
      </div>
      {empty === null ? children : <p className="muted">{empty}</p>}
    </section>
  );
}

/** A table that scrolls sideways where it is too wide. */
export function Table({ labelledBy, columns, children }: { labelledBy: string; columns: readonly Column[]; children: ReactNode }) {
  return (
    // Scrolled by keyboard, too.
    // eslint-disable-next-line jsx-a11y-x/no-noninteractive-tabindex
    <div className="table-scroll" tabIndex={0} role="group" aria-labelledby={labelledBy}>
      <table className="table" aria-labelledby={labelledBy}>
        <thead>
          <tr>
            {columns.map(({ title, numeric = false, hidden = false }) => (
              <th key={title} scope="col" data-numeric={numeric}>
                {hidden ? <span className="admin-hidden">{title}</span> : title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}

export interface Column {
  title: string;
  numeric?: boolean;
  /** Whether only screen readers get the title. */
  hidden?: boolean;
}
