/** A person's decisions on results, stored in this browser and shared by its tabs. */
import { Store } from "@whitebg/client";

export type Decision = "accepted" | "rejected";
export type DecisionMap = ReadonlyMap<number, Decision>;

const STORED = "whitebg.decisions";
/** Tasks are deleted after some time; the oldest decisions are dropped beyond this number. */
const MOST = 20_000;

export class Decisions extends Store<DecisionMap> {
  constructor(private readonly storage: Storage = localStorage) {
    super(parseDecisions(storage.getItem(STORED)));
  }

  /** Record one decision on several tasks; null revokes earlier ones. */
  decide(taskIds: readonly number[], decision: Decision | null): void {
    // Another tab may have stored decisions since.
    const next = new Map(parseDecisions(this.storage.getItem(STORED)));
    for (const id of taskIds) {
      next.delete(id);
      if (decision !== null) next.set(id, decision);
    }
    const kept = [...next].slice(-MOST);
    this.storage.setItem(STORED, JSON.stringify(kept));
    this.set(new Map(kept));
  }

  /** Follow the decisions of other tabs, until the returned function is called. */
  follow(): () => void {
    const onStorage = ({ key, newValue }: StorageEvent): void => {
      if (key === STORED) this.set(parseDecisions(newValue));
    };
    window.addEventListener("storage", onStorage);
    return () => window.removeEventListener("storage", onStorage);
  }
}

export function parseDecisions(text: string | null): DecisionMap {
  let stored: unknown;
  try {
    stored = JSON.parse(text ?? "[]");
  } catch {
    return new Map();
  }
  const entries = Array.isArray(stored) ? (stored as unknown[]) : [];
  return new Map(entries.filter(isEntry));
}

function isEntry(value: unknown): value is [number, Decision] {
  if (!Array.isArray(value)) return false;
  const [id, decision] = value as unknown[];
  return Number.isInteger(id) && (decision === "accepted" || decision === "rejected");
}
