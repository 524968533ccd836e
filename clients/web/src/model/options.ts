/** What the next photos are to become; remembered between visits. */
import { useState } from "react";

import type { Options } from "../api/gateway";
import { isPreset } from "./market";

const STORED = "whitebg.options";
const DEFAULTS: Options = { preset: "custom", format: "", engine: "auto", fill: null };

export const FORMATS = ["", "png", "jpeg", "webp"] as const;
export const ENGINES = ["auto", "local", "gemini"] as const;

export function useOptions(): [Options, (options: Options) => void] {
  const [options, setOptions] = useState(read);
  return [
    options,
    (next) => {
      localStorage.setItem(STORED, JSON.stringify(next));
      setOptions(next);
    },
  ];
}

/** Return what was stored as far as it can still be used: it may be of another version of the page. */
function read(): Options {
  let stored: Partial<Options>;
  try {
    stored = (JSON.parse(localStorage.getItem(STORED) ?? "{}") ?? {}) as Partial<Options>;
  } catch {
    return DEFAULTS;
  }
  const { preset, format, engine, fill } = stored;
  return {
    preset: preset !== undefined && isPreset(preset) ? preset : DEFAULTS.preset,
    format: FORMATS.find((each) => each === format) ?? DEFAULTS.format,
    engine: ENGINES.find((each) => each === engine) ?? DEFAULTS.engine,
    fill: typeof fill === "number" && fill >= 0.3 && fill <= 1 ? fill : null,
  };
}
