import { Button, Checkbox, Loader, NativeSelect } from "@mantine/core";
import type { EngineInfo, Preset } from "@whitebg/client";
import { useState } from "react";

import { useLanguage } from "../i18n";
import { Numbers } from "../model/numbers";
import { areOwn, DEFAULTS, isPreset, type Options, PRESETS, type PresetName, usualFormat } from "../model/options";
import { FormatChoice, formatName } from "./FormatChoice";
import { Part, part } from "./Part";

const OptionsFields = part(async () => (await import("./OptionsFields")).OptionsFields);

export interface OptionsProps {
  options: Options;
  /** Available presets; empty until the server has responded. */
  presets: readonly Preset[];
  /** Empty until the server has responded; until then, no engine is shown as missing. */
  engines: readonly EngineInfo[];
  onChange: (options: Options) => void;
}

/** The options of the photos that are added next. */
export function OptionsPanel({ options, presets, engines, onChange }: OptionsProps) {
  const { texts, tag } = useLanguage();
  const words = texts.options;
  const numbers = new Numbers(tag);
  const [more, setMore] = useState(() => areOwn({ ...options, format: "" }));
  const preset = presets.find(({ name }) => name === options.preset) ?? null;
  const set = (change: Partial<Options>) => onChange({ ...options, ...change });
  return (
    <section className="options" aria-label={words.title}>
      <NativeSelect
        label={words.preset}
        inputWrapperOrder={["label", "input", "description"]}
        description={
          preset === null
            ? "\u00a0"
            : words.presetMakes(
                preset.size_px === null ? null : String(preset.size_px),
                formatName(usualFormat(options.content, preset)),
                numbers.percent(preset.fill),
              )
        }
        value={options.preset}
        onChange={(event) => isPreset(event.currentTarget.value) && set({ preset: event.currentTarget.value })}
        data={PRESETS.map((value) => ({ value, label: words.presets[value] }))}
      />
      <FormatChoice format={options.format} content={options.content} preset={preset} onChange={(format) => set({ format })} />
      {more ? (
        <>
          <Markets preset={options.preset} also={options.also} onChange={(also) => set({ also })} />
          <Part waiting={<Loader type="dots" size="sm" role="status" aria-label={words.more} />}>
            <OptionsFields options={options} presets={presets} engines={engines} onChange={onChange} withFormat={false} />
          </Part>
        </>
      ) : null}
      <div className="options-foot">
        <Button variant="subtle" size="compact-xs" aria-expanded={more} onClick={() => setMore(!more)}>
          {more ? words.less : words.more}
        </Button>
        {areOwn(options) ? (
          <Button
            variant="subtle"
            color="gray"
            size="compact-xs"
            onClick={() => onChange({ ...DEFAULTS, preset: options.preset })}
          >
            {words.reset}
          </Button>
        ) : null}
        <span className="muted small options-note">{words.applies}</span>
      </div>
    </section>
  );
}

interface MarketsProps {
  preset: PresetName;
  also: readonly PresetName[];
  onChange: (also: PresetName[]) => void;
}

/** More markets, for which each photo is made too. */
function Markets({ preset, also, onChange }: MarketsProps) {
  const words = useLanguage().texts.options;
  return (
    <fieldset className="markets">
      <legend className="field-label">{words.also}</legend>
      {PRESETS.filter((each) => each !== preset && each !== "custom").map((market) => (
        <Checkbox
          key={market}
          size="xs"
          label={words.presets[market]}
          checked={also.includes(market)}
          onChange={() => onChange(PRESETS.filter((each) => (each === market ? !also.includes(each) : also.includes(each))))}
        />
      ))}
    </fieldset>
  );
}
