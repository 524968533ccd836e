import { Loader, VisuallyHidden } from "@mantine/core";
import { IconAlertTriangle, IconCircleCheck, IconCircleX } from "@tabler/icons-react";
import type { TaskDetail } from "@whitebg/client";

import { type Texts, useLanguage } from "../i18n";
import { Numbers } from "../model/numbers";
import { isPreset } from "../model/options";
import { SURE } from "../model/photos";
import { count, type Finding, findingsOf, type Report } from "../model/report";
import { sayWarning, warningsBeside } from "../model/warnings";

const ICONS = { passed: IconCircleCheck, warned: IconAlertTriangle, failed: IconCircleX };

/** What the marketplace asks, what the finished file has, and what a person should look at. */
export function ResultCheck({ detail }: { detail: TaskDetail | null }) {
  const { texts, tag } = useLanguage();
  const words = texts.check;
  const result = detail?.result ?? null;
  if (detail === null || result === null) return <Loader size="sm" type="dots" aria-label={words.loading} />;
  const { report, confidence } = result;
  const numbers = new Numbers(tag);
  const name = report?.preset ?? detail.options.preset;
  const unsure = confidence !== null && confidence < SURE;
  const warnings = warningsBeside(result);
  return (
    <div className="check">
      <h3>{words.title(isPreset(name) ? texts.options.presets[name] : name)}</h3>
      {report === null ? <p className="muted">{words.none}</p> : <Summary report={report} words={words} />}
      {unsure || warnings.length > 0 ? (
        <div className="look">
          {unsure ? (
            <>
              <strong>{texts.confidence.low}</strong>
              <p>{texts.confidence.lowText(numbers.percent(confidence))}</p>
            </>
          ) : null}
          {warnings.map((warning) => (
            <p key={warning}>{sayWarning(warning, texts)}</p>
          ))}
        </div>
      ) : null}
      {report === null ? null : (
        <div className="findings-head muted small" aria-hidden="true">
          {words.asked}
        </div>
      )}
      <ul className="findings">
        {findingsOf(detail, texts.report, numbers).map((finding) => (
          <Line key={finding.id} finding={finding} words={words} />
        ))}
      </ul>
    </div>
  );
}

function Summary({ report, words }: { report: Report; words: Texts["check"] }) {
  const failed = count(report, "failed");
  const warned = count(report, "warned");
  const verdict = failed > 0 ? "failed" : warned > 0 ? "warned" : "passed";
  const said = { failed: words.failed(failed), warned: words.toLookAt(warned), passed: words.allPassed };
  return (
    <p className="summary" data-verdict={verdict}>
      {said[verdict]}
    </p>
  );
}

function Line({ finding, words }: { finding: Finding; words: Texts["check"] }) {
  const { verdict, name, measured, asked, advice } = finding;
  const Icon = ICONS[verdict];
  return (
    <li className="finding" data-verdict={verdict}>
      <Icon size={18} stroke={1.8} role="img" aria-label={words.verdicts[verdict]} />
      <div className="finding-words">
        <span className="finding-name">{name}</span>
        <span className="finding-asked muted small">
          {asked === "" ? null : <VisuallyHidden component="span">{words.asked}: </VisuallyHidden>}
          {asked}
        </span>
        <span className="finding-measured">{measured}</span>
        {advice === "" ? null : <span className="finding-advice">{advice}</span>}
      </div>
    </li>
  );
}
