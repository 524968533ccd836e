/** What marketplaces ask of a main picture, and whether a result gives it. */
import type { TaskDetail } from "./task";

export interface Market {
  /** Smallest side in pixels. */
  side: number;
  /** Least and greatest share of the side that the product takes; null: no upper bound. */
  fill: readonly [number, number | null];
  /** Heaviest file; null: no limit. */
  bytes: number | null;
}

export const MARKETS = {
  custom: { side: 1000, fill: [0.8, null], bytes: null },
  amazon: { side: 1000, fill: [0.85, null], bytes: null },
  taobao: { side: 800, fill: [0.8, null], bytes: 3_000_000 },
  tmall: { side: 800, fill: [0.8, null], bytes: 3_000_000 },
  jd: { side: 800, fill: [0.8, null], bytes: 2_000_000 },
  shopify: { side: 800, fill: [0.8, null], bytes: null },
  ebay: { side: 500, fill: [0.8, null], bytes: 12_000_000 },
  google_merchant: { side: 500, fill: [0.75, 0.9], bytes: 16_000_000 },
} as const satisfies Record<string, Market>;

export type Preset = keyof typeof MARKETS;
export const PRESETS = Object.keys(MARKETS) as Preset[];

export function isPreset(name: string): name is Preset {
  return name in MARKETS;
}

export interface Check {
  border: "white" | "other" | "bad";
  fill: boolean;
  size: boolean;
}

/** Below this, a person should look at the cut-out. */
export const LOW_CONFIDENCE = 0.6;

const BAD_BORDER = "border is not exactly";

export function check(detail: TaskDetail, market: Market): Check | null {
  const { result, options } = detail;
  if (result === null) return null;
  const [low, high] = market.fill;
  // The share that was reached is a pixel more or less than what was asked for.
  const slack = 1 / Math.min(result.width, result.height);
  const white = options.background === null || options.background.toLowerCase() === "#ffffff";
  return {
    border: result.warnings.some((text) => text.includes(BAD_BORDER)) ? "bad" : white ? "white" : "other",
    fill: result.fill >= low - slack && (high === null || result.fill <= high + slack),
    size: Math.min(result.width, result.height) >= market.side && result.size_bytes <= (market.bytes ?? Infinity),
  };
}

export function needsALook(detail: TaskDetail | null): boolean {
  const confidence = detail?.result?.confidence ?? null;
  return confidence !== null && confidence < LOW_CONFIDENCE;
}
