import { useAdmin } from "./context";
import type { Queue } from "./api";
import { ageOf } from "./figures";

/** Tasks by state, readiness, and open breakers. */
export function HealthLine({ queue: { overview, control, stats } }: { queue: Queue }) {
  const { texts, tag } = useAdmin();
  const { health, states } = texts;
  const count = new Intl.NumberFormat(tag);
  return (
    <section className="panel">
      <dl className="tiles">
        {(Object.keys(states) as (keyof typeof states)[]).map((state) => (
          <div key={state} className="tile" data-state={state}>
            <dt>{states[state]}</dt>
            <dd>{count.format(control.tasks[state] ?? 0)}</dd>
          </div>
        ))}
      </dl>
      <ul className="health">
        <li data-good={stats.ready}>
          {stats.ready ? health.ready : `${health.notReady}: ${stats.not_ready_reasons.map((each) => each.message).join("; ")}`}
        </li>
        {stats.breakers.map((breaker) => (
          <li key={breaker.name} data-good={false}>
            {health.breaker(breaker.name, breaker.message)}
          </li>
        ))}
        <li>{health.oldest(ageOf(control.oldest_pending_seconds, texts))}</li>
        <li>{health.sockets(overview.sockets.open, overview.sockets.users)}</li>
      </ul>
    </section>
  );
}
