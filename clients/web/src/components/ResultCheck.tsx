import { Loader, VisuallyHidden } from "@mantine/core";
import { IconAlertTriangle, IconCircleCheck, IconCircleX } from "@tabler/icons-react";
import type { TaskDetail } from "@whitebg/client";

import { type Texts, useLanguage } from "../i18n";
import { Numbers } from "../model/numbers";
import { isPreset } from "../model/options";
import { findingsBeside } from "../model/findings";
import { type CheckLine, checkLines, count, type Result } from "../model/report";
import { FindingList } from "./FindingList";

const ICONS = { passed: IconCircleCheck, warned: IconAlertTriangle, failed: IconCircleX };

interface Props {
  detail: TaskDetail | null;
  /** The original photo; null where the browser can't show it. */
  original: string | null;
  onUnreadable: () => void;
}

/** The marketplace's requirements, the measured values, and the findings to review. */
export function ResultCheck({ detail, original, onUnreadable }: Props) {
  const { texts, tag } = useLanguage();
  const words = texts.check;
  const result = detail?.result ?? null;
  if (detail === null || result === null) return <Loader size="sm" type="dots" role="status" aria-label={words.loading} />;
  const { report, confidence } = result;
  const numbers = new Numbers(tag);
  const name = report?.preset ?? detail.options.preset;
  const unsure = result.verdict_reasons.includes("low_confidence");
  const unknown = result.verdict_reasons.includes("no_confidence");
  const findings = findingsBeside(result);
  return (
    <div className="check">
      <h3>{words.title(isPreset(name) ? texts.options.presets[name] : name)}</h3>
      <Summary result={result} words={words} />
      {report === null ? <p className="muted">{words.none}</p> : null}
      {unsure || unknown || findings.length > 0 ? (
        <div className="look">
          {unknown ? <p>{texts.confidence.unknown}</p> : null}
          {unsure && confidence !== null ? (
            <>
              <strong>{texts.confidence.low}</strong>
              <p>{texts.confidence.lowText(numbers.percent(confidence))}</p>
            </>
          ) : null}
          <FindingList
            findings={findings}
            original={original}
            onUnreadable={onUnreadable}
            name={detail.input.filename}
          />
        </div>
      ) : null}
      {report === null ? null : (
        <div className="check-head muted small" aria-hidden="true">
          {words.asked}
        </div>
      )}
      <ul className="check-lines">
        {checkLines(detail, texts.report, numbers).map((line) => (
          <Line key={line.id} line={line} words={words} />
        ))}
      </ul>
    </div>
  );
}

function Summary({ result, words }: { result: Result; words: Texts["check"] }) {
  const failed = result.report === null ? 0 : count(result.report, "failed");
  const text = { ready: words.ready, needs_review: words.needsReview, failed: words.failed(failed) };
  return (
    <p className="summary" data-verdict={result.verdict}>
      {text[result.verdict]}
    </p>
  );
}

function Line({ line, words }: { line: CheckLine; words: Texts["check"] }) {
  const { verdict, name, measured, asked, advice } = line;
  const Icon = ICONS[verdict];
  return (
    <li className="check-line" data-verdict={verdict}>
      <Icon size={18} stroke={1.8} role="img" aria-label={words.verdicts[verdict]} />
      <div className="check-line-words">
        <span className="check-line-name">{name}</span>
        <span className="check-line-asked muted small">
          {asked === "" ? null : <VisuallyHidden component="span">{words.asked}: </VisuallyHidden>}
          {asked}
        </span>
        <span className="check-line-measured">{measured}</span>
        {advice === "" ? null : <span className="check-line-advice">{advice}</span>}
      </div>
    </li>
  );
}
