import { Button } from "@mantine/core";
import { useState } from "react";

import { useAdmin } from "./context";
import type { EngineQueue, Pause, Queue } from "./api";
import { ENGINES, engineName } from "./engines";
import { ageOf, perMinute } from "./figures";
import { Panel, Table } from "./Panel";
import { PauseDialog } from "./PauseDialog";
import { useChange } from "./queries";

/** All claims, in requests of the API. */
const ALL = "auto";

/** The queue by engine, with pauses. */
export function QueuePanel({ queue: { overview, control } }: { queue: Queue }) {
  const { texts } = useAdmin();
  const { queue } = texts;
  const [pausing, setPausing] = useState<string | null>(null);
  const queues = new Map(overview.engines.map((each) => [each.engine, each]));
  const pauses = new Map(control.pauses.map((each) => [each.engine, each]));
  const pausedAll = pauses.get(ALL) ?? null;
  const shown = [...new Set<string>([...ENGINES, ...queues.keys()])];
  const columns = [
    { title: queue.engine },
    { title: queue.waiting, numeric: true },
    { title: queue.later, numeric: true },
    { title: queue.running, numeric: true },
    { title: queue.rate, numeric: true },
    { title: queue.failing, numeric: true },
    { title: queue.oldest, numeric: true },
    { title: texts.pause.action },
  ];
  return (
    <Panel
      id="queue"
      title={queue.title}
      action={<PauseControl engine={ALL} name={texts.engines.all} pause={pausedAll} onPause={() => setPausing(ALL)} />}
    >
      <Table labelledBy="queue" columns={columns}>
        {shown.map((engine) => (
          <EngineRow
            key={engine}
            engine={engine}
            counts={queues.get(engine)}
            rateSeconds={overview.rate_seconds}
            pause={pauses.get(engine) ?? null}
            onPause={() => setPausing(engine)}
          />
        ))}
      </Table>
      <PauseDialog engine={pausing} all={pausing === ALL} onClose={() => setPausing(null)} />
    </Panel>
  );
}

interface RowProps {
  engine: string;
  /** Undefined: no task. */
  counts: EngineQueue | undefined;
  rateSeconds: number;
  pause: Pause | null;
  onPause: () => void;
}

function EngineRow({ engine, counts, rateSeconds, pause, onPause }: RowProps) {
  const { texts, tag } = useAdmin();
  const whole = new Intl.NumberFormat(tag);
  const rate = new Intl.NumberFormat(tag, { maximumFractionDigits: 1 });
  const oldest = counts === undefined || counts.pending === 0 ? "–" : ageOf(counts.oldest_pending_seconds, texts);
  const name = engineName(engine, texts);
  return (
    <tr>
      <th scope="row">{name}</th>
      <td data-numeric>{whole.format(counts?.pending ?? 0)}</td>
      <td data-numeric>{whole.format(counts?.scheduled ?? 0)}</td>
      <td data-numeric>{whole.format(counts?.running ?? 0)}</td>
      <td data-numeric>{rate.format(perMinute(counts?.completed ?? 0, rateSeconds))}</td>
      <td data-numeric data-bad={(counts?.failed ?? 0) > 0}>
        {rate.format(perMinute(counts?.failed ?? 0, rateSeconds))}
      </td>
      <td data-numeric>{oldest}</td>
      <td>{engine === ALL ? null : <PauseControl engine={engine} name={name} pause={pause} onPause={onPause} />}</td>
    </tr>
  );
}

interface ControlProps {
  engine: string;
  name: string;
  pause: Pause | null;
  onPause: () => void;
}

function PauseControl({ engine, name, pause, onPause }: ControlProps) {
  const { api, texts, tag } = useAdmin();
  const resume = useChange(() => api.resume(engine));
  if (pause === null) {
    return (
      <Button variant="default" size="compact-sm" aria-label={texts.pause.actionFor(name)} onClick={onPause}>
        {texts.pause.action}
      </Button>
    );
  }
  const time = new Intl.DateTimeFormat(tag, { dateStyle: "short", timeStyle: "short" });
  const until = pause.ends_at === null ? "" : ` ${texts.pause.until(time.format(new Date(pause.ends_at)))}`;
  return (
    <span className="pause">
      <span className="paused">{`${texts.pause.paused}${until}`}</span>
      {pause.note === "" ? null : <span className="muted">{pause.note}</span>}
      <Button
        size="compact-sm"
        aria-label={texts.pause.resumeFor(name)}
        loading={resume.isPending}
        onClick={() => resume.mutate(undefined)}
      >
        {texts.pause.resume}
      </Button>
      {resume.error === null ? null : <span role="alert">{resume.error.message}</span>}
    </span>
  );
}
