import { useState } from "react";

import { useTexts } from "../i18n";
import { type Finding, findingText, type Region } from "../model/findings";

interface Props {
  findings: Finding[];
  /** The original photo; null where the browser can't show it. */
  original: string | null;
  onUnreadable: () => void;
  name: string;
}

/** Findings as text; those with a region of the photo are numbered and outlined on the original. */
export function FindingList({ findings, original, onUnreadable, name }: Props) {
  const texts = useTexts();
  const [active, setActive] = useState<Finding | null>(null);
  const [pinned, setPinned] = useState<Finding | null>(null);
  const located = original === null ? [] : findings.filter(({ region }) => region !== null);
  const numberOf = (finding: Finding) => located.indexOf(finding) + 1;
  const marked = active ?? pinned;
  return (
    <>
      {original === null || located.length === 0 ? null : (
        <figure className="regions" aria-label={texts.finding_regions.label}>
          <img src={original} alt={`${texts.compare.before}: ${name}`} onError={onUnreadable} />
          {located.map((finding) => (
            <Box
              key={finding.code + finding.message}
              region={finding.region}
              number={numberOf(finding)}
              active={finding === marked}
            />
          ))}
        </figure>
      )}
      {findings.map((finding) => {
        const text = findingText(finding, texts);
        const key = finding.code + finding.message;
        const number = numberOf(finding);
        if (number === 0) return <p key={key}>{text}</p>;
        return (
          <button
            key={key}
            type="button"
            className="located"
            aria-pressed={finding === pinned}
            title={texts.finding_regions.show}
            onMouseEnter={() => setActive(finding)}
            onMouseLeave={() => setActive(null)}
            onFocus={() => setActive(finding)}
            onBlur={() => setActive(null)}
            onClick={() => setPinned(finding === pinned ? null : finding)}
          >
            <span className="located-number">{number}</span>
            <span>{text}</span>
          </button>
        );
      })}
    </>
  );
}

function Box({ region, number, active }: { region: Region | null; number: number; active: boolean }) {
  if (region === null) return null;
  const percent = (share: number) => `${share * 100}%`;
  const { left, top, right, bottom } = region;
  const place = { left: percent(left), top: percent(top), width: percent(right - left), height: percent(bottom - top) };
  return (
    <span className="region" data-active={active} style={place} aria-hidden="true">
      <span className="located-number">{number}</span>
    </span>
  );
}
