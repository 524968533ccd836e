import type { AdminTexts } from "./texts";

/** In the order in which the page lists them; engines of a newer service follow. */
export const ENGINES = ["auto", "local", "neural", "gemini"] as const;

/** Return an engine's name; of an engine that this page does not know, its id. */
export function engineName(engine: string, { engines }: AdminTexts): string {
  return ENGINES.some((each) => each === engine) ? engines[engine as keyof typeof engines] : engine;
}
