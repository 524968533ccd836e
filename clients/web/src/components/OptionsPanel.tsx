import { Button, Checkbox, NativeSelect, SegmentedControl, Slider, Switch, TextInput } from "@mantine/core";
import type { EngineInfo, Preset } from "@whitebg/client";
import { type ReactNode, useId, useState } from "react";

import { type Texts, useLanguage } from "../i18n";
import { Numbers } from "../model/numbers";
import { areOwn, DEFAULTS, ENGINES, FORMATS, isPreset, isSize, MAX_PROMPT, type Options, PRESETS, type PresetName, SHADOWS, SIZES, USUAL_FILL, WHITE } from "../model/options";

interface Props {
  options: Options;
  /** Available presets; empty until the server has responded. */
  presets: readonly Preset[];
  /** Empty until the server has responded; until then, no engine is shown as missing. */
  engines: readonly EngineInfo[];
  onChange: (options: Options) => void;
}

const FORMAT_NAMES = { png: "PNG", jpeg: "JPEG", webp: "WebP" };
/** Initial value of the colour picker. */
const FIRST_COLOUR = "#f3f1ec";

/** The options of the photos that are added next. */
export function OptionsPanel({ options, presets, engines, onChange }: Props) {
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
                formatName(preset.format),
                numbers.percent(preset.fill),
              )
        }
        value={options.preset}
        onChange={(event) => isPreset(event.currentTarget.value) && set({ preset: event.currentTarget.value })}
        data={PRESETS.map((value) => ({ value, label: words.presets[value] }))}
      />
      <Format format={options.format} preset={preset} onChange={(format) => set({ format })} />
      {more ? (
        <>
          <Markets preset={options.preset} also={options.also} onChange={(also) => set({ also })} />
          <OptionsFields options={options} presets={presets} engines={engines} onChange={onChange} withFormat={false} />
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

interface FieldsProps extends Props {
  withFormat?: boolean;
}

/** All options but the market. */
export function OptionsFields({ options, presets, engines, onChange, withFormat = true }: FieldsProps) {
  const words = useLanguage().texts.options;
  const preset = presets.find(({ name }) => name === options.preset) ?? null;
  const white = options.background === WHITE;
  const transparent = options.content === "transparent";
  const maskOnly = options.content === "mask";
  const set = (change: Partial<Options>) => onChange({ ...options, ...change });
  return (
    <>
      {withFormat ? <Format format={options.format} preset={preset} onChange={(format) => set({ format })} /> : null}
      <NativeSelect
        label={words.engine}
        value={options.engine}
        onChange={(event) => set({ engine: ENGINES.find((each) => each === event.currentTarget.value) ?? "auto" })}
        inputWrapperOrder={["label", "input", "description"]}
        description={engineHint(options.engine, engines, words)}
        data={ENGINES.map((value) => engineChoice(value, engines, words))}
      />
      <Size size={options.size} preset={preset} onChange={(size) => set({ size })} />
      {options.engine === "gemini" ? (
        <TextInput
          label={words.prompt}
          placeholder={words.promptExample}
          maxLength={MAX_PROMPT}
          value={options.prompt}
          onChange={(event) => set({ prompt: event.currentTarget.value })}
        />
      ) : null}
      <Fill fill={options.fill} preset={preset?.fill ?? USUAL_FILL} onChange={(fill) => set({ fill })} />
      <Segments
        label={words.background}
        disabled={maskOnly}
        value={transparent ? "transparent" : white ? "white" : "other"}
        values={["white", "transparent", "other"]}
        names={words.backgrounds}
        onChange={(which) =>
          set({
            content: which === "transparent" ? "transparent" : "picture",
            background: which === "other" ? FIRST_COLOUR : WHITE,
            // JPEG has no transparency.
            format: which === "transparent" && options.format === "jpeg" ? "" : options.format,
          })
        }
      />
      <Segments
        label={words.shadow}
        disabled={maskOnly}
        value={options.shadow}
        values={SHADOWS}
        names={words.shadows}
        onChange={(shadow) => set({ shadow })}
      />
      <Switch
        size="sm"
        label={words.maskOnly}
        description={words.maskOnlyHint}
        checked={maskOnly}
        onChange={(event) => set({ content: event.currentTarget.checked ? "mask" : "picture" })}
      />
      {white || transparent || maskOnly ? null : (
        <Colour
          colour={options.background}
          against={preset?.pure_white === true ? words.colourAgainst(words.presets[options.preset]) : null}
          onChange={(background) => set({ background })}
        />
      )}
    </>
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

interface FormatProps {
  format: Options["format"];
  preset: Preset | null;
  onChange: (format: Options["format"]) => void;
}

function Format({ format, preset, onChange }: FormatProps) {
  const words = useLanguage().texts.options;
  return (
    <Segments
      label={words.format}
      hint={format === "" && preset !== null ? formatName(preset.format) : null}
      value={format}
      values={FORMATS}
      names={{ "": words.asPreset, ...FORMAT_NAMES }}
      onChange={onChange}
    />
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
  // The text stays as typed, even while it is not a valid size.
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
  disabled?: boolean;
  onChange: (value: Value) => void;
}

function Segments<Value extends string>({ label, hint, value, values, names, disabled = false, onChange }: SegmentsProps<Value>) {
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
        disabled={disabled}
        value={value}
        onChange={onChange}
        data={values.map((each) => ({ value: each, label: names[each] }))}
      />
    </div>
  );
}

function engineChoice(value: Options["engine"], engines: readonly EngineInfo[], words: Texts["options"]) {
  const missing = engines.some(({ name, available }) => name === value && !available);
  return { value, label: missing ? words.engineMissing(words.engines[value]) : words.engines[value], disabled: missing };
}

/** Return how to install a larger network if there is none, else the model of the chosen engine. */
function engineHint(chosen: Options["engine"], engines: readonly EngineInfo[], words: Texts["options"]): string {
  if (engines.some(({ name, available }) => name === "neural" && !available)) return words.networkMissing;
  const model = engines.find(({ name }) => name === chosen)?.model ?? null;
  return model === null ? "\u00a0" : words.engineUses(model);
}

function formatName(format: string): string {
  return format in FORMAT_NAMES ? FORMAT_NAMES[format as keyof typeof FORMAT_NAMES] : format.toUpperCase();
}
