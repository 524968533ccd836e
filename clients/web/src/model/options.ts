/** What the next photos are to become; remembered between visits. */
import type { TaskOptions } from "@whitebg/client";
import { useState } from "react";

export const PRESETS = ["custom", "amazon", "taobao", "tmall", "jd", "shopify", "ebay", "google_merchant"] as const;
export const FORMATS = ["", "png", "jpeg", "webp"] as const;
export const ENGINES = ["auto", "local", "gemini"] as const;
export const SHADOWS = ["none", "contact"] as const;
export const WHITE = "#ffffff";
/** Pixels of the side. */
export const SIZES = { least: 100, most: 10_000 };

export type PresetName = (typeof PRESETS)[number];

export interface Options {
  preset: PresetName;
  /** Empty: the preset's. */
  format: (typeof FORMATS)[number];
  engine: (typeof ENGINES)[number];
  /** 0.3 to 1; null: the preset's. */
  fill: number | null;
  /** Side in pixels; null: the preset's. */
  size: number | null;
  /** `#rrggbb`. */
  background: string;
  shadow: (typeof SHADOWS)[number];
}

export const DEFAULTS: Options = {
  preset: "custom",
  format: "",
  engine: "auto",
  fill: null,
  size: null,
  background: WHITE,
  shadow: "none",
};
const STORED = "whitebg.options";

export function useOptions(): [Options, (options: Options) => void] {
  const [options, setOptions] = useState(() => parseOptions(localStorage.getItem(STORED)));
  return [
    options,
    (next) => {
      localStorage.setItem(STORED, JSON.stringify(next));
      setOptions(next);
    },
  ];
}

/** Return what was stored as far as it can still be used: it may be of another version of the page. */
export function parseOptions(text: string | null): Options {
  let stored: Record<string, unknown>;
  try {
    stored = (JSON.parse(text ?? "{}") ?? {}) as Record<string, unknown>;
  } catch {
    return DEFAULTS;
  }
  const { preset, format, engine, fill, size, background, shadow } = stored;
  return {
    preset: PRESETS.find((each) => each === preset) ?? DEFAULTS.preset,
    format: FORMATS.find((each) => each === format) ?? DEFAULTS.format,
    engine: ENGINES.find((each) => each === engine) ?? DEFAULTS.engine,
    fill: typeof fill === "number" && fill >= 0.3 && fill <= 1 ? fill : null,
    size: typeof size === "number" && isSize(size) ? size : null,
    background: typeof background === "string" && /^#[0-9a-f]{6}$/.test(background) ? background : WHITE,
    shadow: SHADOWS.find((each) => each === shadow) ?? DEFAULTS.shadow,
  };
}

export function isSize(size: number): boolean {
  return Number.isInteger(size) && size >= SIZES.least && size <= SIZES.most;
}

/** Whether anything but the preset was chosen. */
export function areOwn(options: Options): boolean {
  return (Object.keys(DEFAULTS) as (keyof Options)[]).some((name) => name !== "preset" && options[name] !== DEFAULTS[name]);
}

/** Return the fields of the form, without what is left to the preset. */
export function formOf(options: Options): Partial<TaskOptions> {
  return {
    preset: options.preset,
    engine: options.engine,
    shadow: options.shadow,
    ...(options.format === "" ? {} : { format: options.format }),
    ...(options.fill === null ? {} : { fill: options.fill }),
    ...(options.size === null ? {} : { size_px: options.size }),
    ...(options.background === WHITE ? {} : { background: options.background }),
  };
}

export function isPreset(name: string): name is PresetName {
  return (PRESETS as readonly string[]).includes(name);
}
