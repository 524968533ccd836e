import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";

import { Dialog } from "../components/Dialog";
import { useAdmin } from "./context";
import type { AdminApi, Requeued } from "./api";
import { reasonsOf } from "./figures";
import { useChange } from "./queries";

interface Props {
  code: string;
  /** RFC 3339: tasks created at this time or later. */
  from: string;
  onClose: () => void;
}

/** Counts the tasks that failed with a code, and submits them again once confirmed. */
export function RequeueDialog({ code, from, onClose }: Props) {
  const { api, texts } = useAdmin();
  const { failures: words } = texts;
  const count = useQuery({
    queryKey: ["requeue", code, from],
    queryFn: () => api.requeue(code, from, { dryRun: true }),
    retry: false,
    gcTime: 0,
  });
  const requeue = useChange(() => requeueAll(api, code, from));
  const done = requeue.data as Outcome | undefined;
  const total = count.data?.total;
  const error = count.error ?? requeue.error;
  return (
    <Dialog opened onClose={onClose} title={words.dialog(code)}>
      <div className="admin-form">
        {done !== undefined ? (
          <p role="status">
            {words.done(done.submitted)} {done.skipped.length === 0 ? null : words.skipped(done.skipped.length, reasonsOf(done.skipped))}
          </p>
        ) : (
          <p role="status">{total === undefined ? words.counting : words.counted(total)}</p>
        )}
        {error === null ? null : <p role="alert">{error.message}</p>}
        {done !== undefined ? (
          <Button onClick={onClose}>{texts.close}</Button>
        ) : (
          <Button
            disabled={total === undefined || total === 0}
            loading={requeue.isPending}
            onClick={() => requeue.mutate(undefined)}
          >
            {words.submit(total ?? 0)}
          </Button>
        )}
      </div>
    </Dialog>
  );
}

interface Outcome {
  submitted: number;
  skipped: Requeued["skipped"];
}

async function requeueAll(api: AdminApi, code: string, from: string): Promise<Outcome> {
  const outcome: Outcome = { submitted: 0, skipped: [] };
  let pageToken = "";
  do {
    const page = await api.requeue(code, from, { dryRun: false, pageToken });
    outcome.submitted += page.tasks.length;
    outcome.skipped.push(...page.skipped);
    pageToken = page.next_page_token;
  } while (pageToken !== "");
  return outcome;
}
