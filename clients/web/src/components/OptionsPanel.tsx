import { Button, NativeSelect, SegmentedControl, Slider, Switch, TextInput } from "@mantine/core";
import type { Preset } from "@whitebg/client";
import { type ReactNode, useId, useState } from "react";

import { useLanguage } from "../i18n";
import { Numbers } from "../model/numbers";
import { areOwn, DEFAULTS, ENGINES, FORMATS, isPreset, isSize, type Options, PRESETS, SHADOWS, SIZES, WHITE } from "../model/options";

interface Props {
  options: Options;
  /** What can be made; empty while the server has not told. */
  presets: readonly Preset[];
  onChange: (options: Options) => void;
}

const FORMAT_NAMES = { png: "PNG", jpeg: "JPEG", webp: "WebP" };
/** The preset's, until it is known. */
const USUAL_FILL = 0.85;
/** Where a person who wants another colour begins. */
const FIRST_COLOUR = "#f3f1ec";

/** What the photos that come next are to become. */
export function OptionsPanel({ options, presets, onChange }: Props) {
  const { texts, tag } = useLanguage();
  const words = texts.options;
  const numbers = new Numbers(tag);
  const [more, setMore] = useState(() => areOwn({ ...options, format: "" }));
  const preset = presets.find(({ name }) => name === options.preset) ?? null;
  const white = options.background === WHITE;
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
                formatName(preset.format),
                numbers.percent(preset.fill),
              )
        }
        value={options.preset}
        onChange={(event) => isPreset(event.currentTarget.value) && set({ preset: event.currentTarget.value })}
        data={PRESETS.map((value) => ({ value, label: words.presets[value] }))}
      />
      <Segments
        label={words.format}
        hint={options.format === "" && preset !== null ? formatName(preset.format) : null}
        value={options.format}
        values={FORMATS}
        names={{ "": words.asPreset, ...FORMAT_NAMES }}
        onChange={(format) => set({ format })}
      />
      {more ? (
        <>
          <div className="options-pair">
            <NativeSelect
              label={words.engine}
              value={options.engine}
              onChange={(event) => set({ engine: ENGINES.find((each) => each === event.currentTarget.value) ?? "auto" })}
              data={ENGINES.map((value) => ({ value, label: words.engines[value] }))}
            />
            <Size size={options.size} preset={preset} onChange={(size) => set({ size })} />
          </div>
          <Fill fill={options.fill} preset={preset?.fill ?? USUAL_FILL} onChange={(fill) => set({ fill })} />
          <div className="options-pair">
            <Segments
              label={words.background}
              value={white ? "white" : "other"}
              values={["white", "other"]}
              names={words.backgrounds}
              onChange={(which) => set({ background: which === "white" ? WHITE : FIRST_COLOUR })}
            />
            <Segments
              label={words.shadow}
              value={options.shadow}
              values={SHADOWS}
              names={words.shadows}
              onChange={(shadow) => set({ shadow })}
            />
          </div>
          {white ? null : (
            <Colour
              colour={options.background}
              against={preset?.pure_white === true ? words.colourAgainst(words.presets[options.preset]) : null}
              onChange={(background) => set({ background })}
            />
          )}
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

function Fill({ fill, preset, onChange }: { fill: number | null; preset: number; onChange: (fill: number | null) => void }) {
  const { texts, tag } = useLanguage();
  const words = texts.options;
  const label = useId();
  const shown = fill ?? preset;
  return (
    <div>
      <div className="field-row">
        <span className="field-label" id={label}>
          {words.fill}
        </span>
        <span className="muted small">{new Numbers(tag).percent(shown)}</span>
        <span className="spring" />
        <Switch
          size="xs"
          label={words.asPreset}
          checked={fill === null}
          onChange={(event) => onChange(event.currentTarget.checked ? null : preset)}
        />
      </div>
      <Slider
        min={30}
        max={100}
        disabled={fill === null}
        value={Math.round(shown * 100)}
        onChange={(percent) => onChange(percent / 100)}
        label={(percent) => `${percent}%`}
        thumbProps={{ "aria-labelledby": label }}
      />
    </div>
  );
}

function Size({ size, preset, onChange }: { size: number | null; preset: Preset | null; onChange: (size: number | null) => void }) {
  const words = useLanguage().texts.options;
  const own = size === null ? "" : String(size);
  // What is typed is kept as it is until it is a size.
  const [typed, setTyped] = useState(own);
  const value = typed === "" || isSize(Number(typed)) ? own : typed;
  const wrong = value !== "" && !isSize(Number(value));
  return (
    <TextInput
      label={words.size}
      rightSection={<span className="muted small">{words.sizeUnit}</span>}
      rightSectionWidth={46}
      inputMode="numeric"
      value={value}
      placeholder={preset?.size_px?.toString() ?? words.sizeFree}
      error={wrong ? words.sizeWrong(String(SIZES.least), String(SIZES.most)) : null}
      onChange={(event) => {
        const text = event.currentTarget.value.trim();
        setTyped(text);
        onChange(isSize(Number(text)) ? Number(text) : null);
      }}
    />
  );
}

function Colour({ colour, against, onChange }: { colour: string; against: string | null; onChange: (colour: string) => void }) {
  const words = useLanguage().texts.options;
  return (
    <div className="colour">
      <input
        type="color"
        aria-label={words.colour}
        value={colour}
        onChange={(event) => onChange(event.currentTarget.value.toLowerCase())}
      />
      <span className="colour-code">{colour.toUpperCase()}</span>
      {against === null ? null : <span className="colour-against small">{against}</span>}
    </div>
  );
}

interface SegmentsProps<Value extends string> {
  label: string;
  hint?: ReactNode;
  value: Value;
  values: readonly Value[];
  names: Record<Value, string>;
  onChange: (value: Value) => void;
}

function Segments<Value extends string>({ label, hint, value, values, names, onChange }: SegmentsProps<Value>) {
  const id = useId();
  return (
    <div>
      <div className="field-row">
        <span className="field-label" id={id}>
          {label}
        </span>
        <span className="muted small">{hint}</span>
      </div>
      <SegmentedControl
        fullWidth
        aria-labelledby={id}
        value={value}
        onChange={onChange}
        data={values.map((each) => ({ value: each, label: names[each] }))}
      />
    </div>
  );
}

function formatName(format: string): string {
  return format in FORMAT_NAMES ? FORMAT_NAMES[format as keyof typeof FORMAT_NAMES] : format.toUpperCase();
}
