import { Button, NativeSelect, SegmentedControl, Slider, Switch } from "@mantine/core";
import { useId, useState } from "react";

import type { Options } from "../api/gateway";
import { useTexts } from "../i18n";
import { PRESETS } from "../model/market";
import { ENGINES, FORMATS } from "../model/options";

interface Props {
  options: Options;
  onChange: (options: Options) => void;
}

const FORMAT_NAMES = { png: "PNG", jpeg: "JPEG", webp: "WebP" };
const USUAL_FILL = 0.85;

/** What the photos that come next are to become. */
export function OptionsPanel({ options, onChange }: Props) {
  const texts = useTexts();
  const words = texts.options;
  const [more, setMore] = useState(options.engine !== "auto" || options.fill !== null);
  const fillLabel = useId();
  return (
    <section className="options" aria-label={words.title}>
      <NativeSelect
        label={words.preset}
        description={words.presetHint}
        value={options.preset}
        onChange={(event) => onChange({ ...options, preset: event.currentTarget.value })}
        data={PRESETS.map((value) => ({ value, label: words.presets[value] }))}
      />
      <div>
        <div className="field-label" id={`${fillLabel}-format`}>
          {words.format}
        </div>
        <SegmentedControl
          fullWidth
          aria-labelledby={`${fillLabel}-format`}
          value={options.format}
          onChange={(format) => onChange({ ...options, format })}
          data={FORMATS.map((value) => ({ value, label: value === "" ? words.formatAuto : FORMAT_NAMES[value] }))}
        />
      </div>
      {more ? (
        <>
          <NativeSelect
            label={words.engine}
            value={options.engine}
            onChange={(event) => onChange({ ...options, engine: event.currentTarget.value })}
            data={ENGINES.map((value) => ({ value, label: words.engines[value] }))}
          />
          <div>
            <div className="field-row">
              <span className="field-label" id={fillLabel}>
                {words.fill}
              </span>
              <Switch
                size="xs"
                label={words.fillAuto}
                checked={options.fill === null}
                onChange={(event) => onChange({ ...options, fill: event.currentTarget.checked ? null : USUAL_FILL })}
              />
            </div>
            <Slider
              min={50}
              max={100}
              disabled={options.fill === null}
              value={Math.round((options.fill ?? USUAL_FILL) * 100)}
              onChange={(percent) => onChange({ ...options, fill: percent / 100 })}
              label={(percent) => `${percent} %`}
              thumbProps={{ "aria-labelledby": fillLabel }}
            />
          </div>
        </>
      ) : null}
      <div className="options-foot">
        <span className="muted small">{words.applies}</span>
        <Button variant="subtle" size="compact-xs" aria-expanded={more} onClick={() => setMore(!more)}>
          {more ? words.less : words.more}
        </Button>
      </div>
    </section>
  );
}
