import "@mantine/core/styles/Slider.css";
import "@mantine/core/styles/Switch.css";

import { NativeSelect, Slider, Switch, TextInput } from "@mantine/core";
import type { EngineInfo, Preset } from "@whitebg/client";
import { useId, useState } from "react";

import { type Texts, useLanguage } from "../i18n";
import { Numbers } from "../model/numbers";
import { ENGINES, isSize, marketsAgainst, MAX_PROMPT, type Options, SHADOWS, SIZES, USUAL_FILL, WHITE } from "../model/options";
import { FormatChoice } from "./FormatChoice";
import type { OptionsProps } from "./OptionsPanel";
import { Segments } from "./Segments";

/** Initial value of the colour picker. */
const FIRST_COLOUR = "#f3f1ec";

interface Props extends OptionsProps {
  /** Whether the format is one of them. */
  withFormat?: boolean;
}

/** All options but the market. */
export function OptionsFields({ options, presets, engines, onChange, withFormat = true }: Props) {
  const words = useLanguage().texts.options;
  const preset = presets.find(({ name }) => name === options.preset) ?? null;
  const white = options.background === WHITE;
  const transparent = options.content === "transparent";
  const maskOnly = options.content === "mask";
  const set = (change: Partial<Options>) => onChange({ ...options, ...change });
  return (
    <>
      {withFormat ? <FormatChoice format={options.format} content={options.content} preset={preset} onChange={(format) => set({ format })} /> : null}
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
        <Colour colour={options.background} onChange={(background) => set({ background })} />
      )}
      {marketsAgainst(options, presets).map((market) => (
        <p key={market} className="colour-against small">
          {words.colourAgainst(words.presets[market])}
        </p>
      ))}
    </>
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

function Colour({ colour, onChange }: { colour: string; onChange: (colour: string) => void }) {
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
