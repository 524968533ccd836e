import { Loader } from "@mantine/core";
import { IconAlertTriangle, IconCircleCheck } from "@tabler/icons-react";

import { useLanguage } from "../i18n";
import { check, isPreset, MARKETS, needsALook } from "../model/market";
import type { TaskDetail } from "../model/task";
import { sayWarning } from "../model/warnings";

/** What the marketplace asks, what the picture has, and what a person should look at. */
export function ResultCheck({ detail }: { detail: TaskDetail | null }) {
  const { texts, tag } = useLanguage();
  const words = texts.check;
  const result = detail?.result ?? null;
  if (detail === null || result === null) return <Loader size="sm" type="dots" aria-label={words.loading} />;
  const preset = isPreset(detail.options.preset) ? detail.options.preset : "custom";
  const market = MARKETS[preset];
  const checked = check(detail, market);
  const percent = new Intl.NumberFormat(tag, { style: "percent", maximumFractionDigits: 0 });
  const bytes = (n: number) => sizeOf(n, tag);
  const [low, high] = market.fill;
  return (
    <div className="check">
      <h3>{words.title(texts.options.presets[preset])}</h3>
      {checked === null ? null : (
        <ul>
          <Line
            good={checked.border !== "bad"}
            name={words.border}
            value={{ white: words.borderOk, other: words.borderOther, bad: words.borderBad }[checked.border]}
          />
          <Line
            good={checked.fill}
            name={words.fill}
            value={words.fillValue(percent.format(result.fill))}
            asked={words.fillRange(percent.format(low), high === null ? null : percent.format(high))}
          />
          <Line
            good={checked.size}
            name={words.size}
            value={words.sizeValue(result.width, result.height, bytes(result.size_bytes))}
            asked={words.sizeRange(String(market.side), market.bytes === null ? null : bytes(market.bytes))}
          />
        </ul>
      )}
      {needsALook(detail) ? (
        <div className="look">
          <strong>{texts.confidence.low}</strong>
          <p>{texts.confidence.lowText}</p>
        </div>
      ) : null}
      {result.warnings.length > 0 ? (
        <ul className="warnings">
          {result.warnings.map((warning) => (
            <li key={warning}>{sayWarning(warning, texts)}</li>
          ))}
        </ul>
      ) : null}
    </div>
  );
}

function Line({ good, name, value, asked }: { good: boolean; name: string; value: string; asked?: string }) {
  const { check: words } = useLanguage().texts;
  const Icon = good ? IconCircleCheck : IconAlertTriangle;
  return (
    <li className="check-line" data-good={good}>
      <Icon size={20} stroke={1.8} role="img" aria-label={good ? words.pass : words.fail} />
      <div>
        <div className="check-name">{name}</div>
        <div>{value}</div>
        {asked === undefined ? null : <div className="muted small">{asked}</div>}
      </div>
    </li>
  );
}

function sizeOf(bytes: number, tag: string): string {
  const format = (value: number, unit: string) =>
    new Intl.NumberFormat(tag, { style: "unit", unit, maximumFractionDigits: 1 }).format(value);
  return bytes >= 1_000_000 ? format(bytes / 1_000_000, "megabyte") : format(Math.ceil(bytes / 1000), "kilobyte");
}
