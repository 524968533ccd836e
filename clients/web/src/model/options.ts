/** The options of the next photos; stored between visits. */
import type { Preset, TaskDetail, TaskOptions, VersionOptions } from "@whitebg/client";
import { useState } from "react";

import { AUTOMATIC, type Position } from "../position/fit";

export const PRESETS = ["custom", "amazon", "taobao", "tmall", "jd", "shopify", "ebay", "google_merchant"] as const;
export const FORMATS = ["", "png", "jpeg", "webp"] as const;
export const ENGINES = ["auto", "local", "neural", "gemini"] as const;
export const SHADOWS = ["none", "contact"] as const;
export const CONTENTS = ["picture", "transparent", "mask"] as const;
/** Characters of a prompt. */
export const MAX_PROMPT = 2000;
export const WHITE = "#ffffff";
/** Used until the preset's fill is known. */
export const USUAL_FILL = 0.85;
/** Limits of the side, in pixels. */
export const SIZES = { least: 100, most: 10_000 };

export type PresetName = (typeof PRESETS)[number];

export interface Options {
  preset: PresetName;
  /** Empty: preset default. */
  format: (typeof FORMATS)[number];
  engine: (typeof ENGINES)[number];
  /** 0.3 to 1; null: preset default. */
  fill: number | null;
  /** Side in pixels; null: preset default. */
  size: number | null;
  /** `#rrggbb`. */
  background: string;
  shadow: (typeof SHADOWS)[number];
  content: (typeof CONTENTS)[number];
  /** Instructions for a generative engine; others ignore them. */
  prompt: string;
  /** More presets for which the photo is made too. */
  also: readonly PresetName[];
}

export const DEFAULTS: Options = {
  preset: "custom",
  format: "",
  engine: "auto",
  fill: null,
  size: null,
  background: WHITE,
  shadow: "none",
  content: "picture",
  prompt: "",
  also: [],
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

/** Return the stored options that are still valid: another version of the page may have stored them. */
export function parseOptions(text: string | null): Options {
  let stored: Record<string, unknown>;
  try {
    stored = (JSON.parse(text ?? "{}") ?? {}) as Record<string, unknown>;
  } catch {
    return DEFAULTS;
  }
  return optionsOf(stored);
}

/** Return the valid ones among the values; the others are the defaults. */
function optionsOf(values: Record<string, unknown>): Options {
  const { preset, format, engine, fill, size, background, shadow, content, prompt, also } = values;
  return {
    preset: PRESETS.find((each) => each === preset) ?? DEFAULTS.preset,
    format: FORMATS.find((each) => each === format) ?? DEFAULTS.format,
    engine: ENGINES.find((each) => each === engine) ?? DEFAULTS.engine,
    fill: typeof fill === "number" && fill >= 0.3 && fill <= 1 ? fill : null,
    size: typeof size === "number" && isSize(size) ? size : null,
    background: typeof background === "string" && /^#[0-9a-f]{6}$/.test(background) ? background : WHITE,
    shadow: SHADOWS.find((each) => each === shadow) ?? DEFAULTS.shadow,
    content: CONTENTS.find((each) => each === content) ?? DEFAULTS.content,
    prompt: typeof prompt === "string" ? prompt.slice(0, MAX_PROMPT) : DEFAULTS.prompt,
    also: Array.isArray(also) ? PRESETS.filter((each) => also.includes(each)) : [],
  };
}

/** Return the options that all tasks have in common, as a start for other ones; where they differ, the defaults. */
export function commonOptions(details: readonly TaskDetail[]): Options {
  const [first = DEFAULTS, ...others] = details.map(({ options: { size_px, margin, background, fill, ...same } }) =>
    optionsOf({ ...same, size: size_px, background: background?.toLowerCase(), fill: margin === null ? fill : 1 - 2 * margin }),
  );
  const differing = Object.keys(DEFAULTS).filter((name) => {
    const key = name as Exclude<keyof Options, "also">;
    return name !== "also" && others.some((each) => each[key] !== first[key]);
  });
  return { ...first, ...Object.fromEntries(differing.map((name) => [name, DEFAULTS[name as keyof Options]])) };
}

export function isSize(size: number): boolean {
  return Number.isInteger(size) && size >= SIZES.least && size <= SIZES.most;
}

/** Whether any option other than the preset was changed. */
export function areOwn(options: Options): boolean {
  const { also, ...others } = options;
  return also.length > 0 || (Object.keys(others) as (keyof typeof others)[]).some((name) => name !== "preset" && others[name] !== DEFAULTS[name]);
}

/** Return the fields of the form, without those that the preset provides. */
export function formOf(options: Options): Partial<TaskOptions> {
  return {
    preset: options.preset,
    engine: options.engine,
    ...(options.content === "mask" ? {} : { shadow: options.shadow }),
    ...(options.format === "" ? {} : { format: options.format }),
    ...(options.fill === null ? {} : { fill: options.fill }),
    ...(options.size === null ? {} : { size_px: options.size }),
    ...(options.content === "picture" ? {} : { content: options.content }),
    ...(options.background === WHITE || options.content !== "picture" ? {} : { background: options.background }),
    ...(options.prompt.trim() === "" || options.engine !== "gemini" ? {} : { prompt: options.prompt.trim() }),
  };
}

/** Return the format of a picture for which none is chosen: masks and transparent pictures are PNG files. */
export function usualFormat(content: Options["content"], preset: Preset): string {
  return content === "picture" ? preset.format : "png";
}

/** Return the chosen markets that ask for pure white and get something else. */
export function marketsAgainst({ preset, also, content, background }: Options, presets: readonly Preset[]): PresetName[] {
  if (content === "picture" && background === WHITE) return [];
  const strict = new Set(presets.filter(({ pure_white }) => pure_white).map(({ name }) => name));
  return PRESETS.filter((each) => {
    const isChosen = each === preset || also.includes(each);
    return isChosen && strict.has(each) && !(content === "transparent" && TAKE_TRANSPARENT.has(each));
  });
}

/** Markets that ask for white but take transparency too. Google's rule: a white or transparent background. */
const TAKE_TRANSPARENT: ReadonlySet<PresetName> = new Set(["google_merchant"]);

/** Return the options of each output of an upload: one for each market. */
export function outputsOf(options: Options): Options[] {
  const presets = [options.preset, ...options.also.filter((preset) => preset !== options.preset)];
  return presets.map((preset) => ({ ...options, preset, also: [] }));
}

/**
 * Return the options with which a task was made, for another version. Without `keepsCutOut`, a corrected mask replaces
 * its hints and its engine, where that is generative: it takes no mask.
 */
export function formOfTask({ options }: TaskDetail, { keepsCutOut = false } = {}): VersionOptions {
  const { engine, hints, ...others } = options;
  const set = Object.entries(others).filter(([, value]) => value !== null && value !== "");
  return {
    ...(Object.fromEntries(set) as Partial<TaskOptions>),
    engine: engine === "gemini" && !keepsCutOut ? "auto" : (engine as Options["engine"]),
    ...(keepsCutOut ? { hints } : {}),
  };
}

/** Return the position by hand with which a task was made. */
export function positionOf(detail: TaskDetail | null): Position {
  if (detail === null) return AUTOMATIC;
  const { rotation, move_x, move_y, scale, crop } = detail.options;
  return { rotation, move_x, move_y, scale, crop };
}

/** Return the share of the side to which a task's product is fitted. */
export function fillOf(detail: TaskDetail | null, presets: readonly Preset[]): number {
  const { fill = null, margin = null, preset = "" } = detail?.options ?? {};
  if (margin !== null) return 1 - 2 * margin;
  return fill ?? presets.find(({ name }) => name === preset)?.fill ?? USUAL_FILL;
}

/** Return the CSS colour of a task's background; null if it is transparent. */
export function backgroundOf(detail: TaskDetail | null): string | null {
  if (detail?.options.content === "transparent") return null;
  return detail?.options.background ?? WHITE;
}

export function isPreset(name: string): name is PresetName {
  return (PRESETS as readonly string[]).includes(name);
}
