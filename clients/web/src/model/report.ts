/** The compliance report of a result in the page's language: measured values, requirements and advice. */
import type { TaskDetail } from "@whitebg/client";

import type { Texts } from "../i18n";
import type { Numbers } from "./numbers";
import { WHITE } from "./options";

export type Result = NonNullable<TaskDetail["result"]>;
export type Report = NonNullable<Result["report"]>;
export type Check = Report["checks"][number];
export type Verdict = Check["verdict"];

type Words = Texts["report"];
type CheckName = keyof Words["checks"];

/** One check, formatted. */
export interface CheckLine {
  id: string;
  verdict: Verdict;
  name: string;
  measured: string;
  /** Empty if there is no requirement. */
  asked: string;
  /** Problem and remedy; empty if passed. */
  advice: string;
}

const GRAVITY: Record<Verdict, number> = { failed: 0, warned: 1, passed: 2 };

/** Return every check of a report, the worst first. */
export function checkLines(detail: TaskDetail, words: Words, numbers: Numbers): CheckLine[] {
  const { result, options } = detail;
  if (result?.report == null) return [];
  const white = options.content === "picture" && (options.background ?? WHITE).toLowerCase() === WHITE;
  return result.report.checks
    .map((check) => lineOf(check, result, white, words, numbers))
    .sort((a, b) => GRAVITY[a.verdict] - GRAVITY[b.verdict]);
}

export function count(report: Report, verdict: Verdict): number {
  return report.checks.filter((check) => check.verdict === verdict).length;
}

function lineOf(check: Check, result: Result, white: boolean, words: Words, numbers: Numbers): CheckLine {
  const { name, verdict, limit, message } = check;
  const common = { id: name, verdict };
  // A check that only a later server has is shown with the server's own texts.
  if (!(name in words.checks)) {
    const measured = check.value === null ? "" : numbers.plain(check.value);
    return { ...common, name, measured, asked: limit, advice: message };
  }
  const known = name as CheckName;
  return {
    ...common,
    name: words.checks[known],
    measured: measuredOf(known, check, result, white, words, numbers),
    asked: askedOf(known, limit, white, words, numbers),
    advice: verdict === "passed" ? "" : adviceOf(known, check, white, words),
  };
}

function measuredOf(
  name: CheckName,
  { value }: Check,
  result: Result,
  white: boolean,
  words: Words,
  numbers: Numbers,
): string {
  const { measured } = words;
  if (name === "format") return FORMATS[result.content_type] ?? result.content_type;
  if (value === null) return "";
  switch (name) {
    case "border":
      if (value > 0) return measured.borderOff(numbers.plain(value));
      return white ? measured.borderWhite : measured.borderColour;
    case "size":
      return measured.size(result.width, result.height);
    case "bytes":
      return numbers.bytes(value);
    case "components":
    case "specks":
    case "holes":
      return measured[name](value);
    case "edge_width":
      return measured.edge_width(numbers.plain(value));
    case "whole":
      return value === 0 ? measured.wholeAll : measured.whole(numbers.percent(value));
    default:
      return measured[name](numbers.percent(value));
  }
}

/** Checks whose value is a count of items or pixels; all others are shares. */
const COUNTS: ReadonlySet<CheckName> = new Set(["size", "components", "specks", "holes", "edge_width"]);
const EXACTLY_WHITE = "exactly 255, 255, 255";
const FORMATS: Record<string, string> = { "image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WebP" };

function askedOf(name: CheckName, limit: string, white: boolean, words: Words, numbers: Numbers): string {
  const { asked } = words;
  if (limit === "") return "";
  if (limit === EXACTLY_WHITE) return asked.white;
  if (limit === "exactly the background") return white ? asked.white : asked.background;
  if (name === "format") return numbers.anyOf(limit.replace("WEBP", "WebP").split(", "));
  const [low, high] = [...limit.matchAll(/\d+(\.\d+)?(e-?\d+)?/g)].map(([text]) => Number(text));
  if (low === undefined) return limit;
  const bare = (value: number) => {
    if (name === "bytes") return numbers.bytes(value);
    return COUNTS.has(name) ? numbers.plain(value) : numbers.percent(value);
  };
  const quoted = (value: number) => (name === "size" ? asked.pixels(bare(value)) : bare(value));
  if (limit.startsWith("at least")) return asked.atLeast(quoted(low));
  if (limit.startsWith("at most")) return asked.atMost(quoted(low));
  if (high === undefined) return limit;
  if (name === "fill" && low === 0 && high === 1) return "";
  if (name === "fill" && high === 1) return asked.atLeast(quoted(low));
  return asked.range(bare(low), quoted(high));
}

function adviceOf(name: CheckName, { value, limit, verdict }: Check, white: boolean, words: Words): string {
  const { advice } = words;
  if (name === "centring" && verdict === "warned") return advice.centringMoved; // Only by hand.
  if (name === "border" && value === null) return advice.borderContent; // There is no background to measure.
  if (name === "border" && limit === EXACTLY_WHITE && !white) return advice.borderColour;
  if (name === "components" && value === 0) return advice.componentsNone;
  return advice[name];
}
