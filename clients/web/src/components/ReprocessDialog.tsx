import { Button, Checkbox } from "@mantine/core";
import type { EngineInfo, Preset } from "@whitebg/client";
import { useState } from "react";

import { useTexts } from "../i18n";
import { commonOptions, DEFAULTS, type Options, PRESETS, type PresetName } from "../model/options";
import type { Photo } from "../model/photos";
import { Dialog } from "./Dialog";
import { OptionsFields } from "./OptionsFields";

interface Props {
  /** Null: closed. */
  photos: readonly Photo[] | null;
  presets: readonly Preset[];
  engines: readonly EngineInfo[];
  onClose: () => void;
  onStart: (photos: readonly Photo[], options: readonly Options[]) => void;
}

/** Makes stored photos again, for one or several markets, without another upload. */
export function ReprocessDialog({ photos, presets, engines, onClose, onStart }: Props) {
  const texts = useTexts();
  const words = texts.reprocess;
  const [markets, setMarkets] = useState<readonly PresetName[]>([]);
  const [options, setOptions] = useState<Options>(DEFAULTS);
  // Kept while the dialog closes.
  const [last, setLast] = useState<readonly Photo[]>([]);
  if (photos !== null && photos !== last) {
    setLast(photos);
    setOptions(commonOptions(photos.flatMap(({ detail }) => detail ?? [])));
    setMarkets(PRESETS.filter((each) => photos.every(({ market }) => market === each)));
  }
  const count = last.length;
  const toggle = (market: PresetName) =>
    setMarkets(PRESETS.filter((each) => (each === market ? !markets.includes(each) : markets.includes(each))));
  return (
    <Dialog
      opened={photos !== null}
      onClose={onClose}
      title={words.title(count)}
      size={560}
    >
      <p className="muted small">{words.text}</p>
      <fieldset className="markets">
        <legend className="field-label">{words.markets}</legend>
        {PRESETS.map((market) => (
          <Checkbox
            key={market}
            label={texts.options.presets[market]}
            checked={markets.includes(market)}
            onChange={() => toggle(market)}
          />
        ))}
      </fieldset>
      <div className="options options-plain">
        <OptionsFields
          options={{ ...options, preset: markets[0] ?? "custom", also: markets.slice(1) }}
          presets={presets}
          engines={engines}
          onChange={setOptions}
        />
      </div>
      <div className="dialog-end">
        <Button variant="default" onClick={onClose}>
          {texts.touchUp.cancel}
        </Button>
        <Button
          disabled={photos === null || markets.length === 0}
          onClick={() => onStart(photos ?? [], markets.map((preset) => ({ ...options, preset, also: [] })))}
        >
          {words.start(count * markets.length)}
        </Button>
      </div>
    </Dialog>
  );
}
