/** The service warns in English; here its sentences are found again, to be said in the reader's language. */
import type { Texts } from "../i18n";

const KNOWN: readonly (readonly [RegExp, keyof Texts["warning"]])[] = [
  [/^The background is cluttered/, "cluttered"],
  [/^The product takes less than/, "small"],
  [/^The product fills nearly/, "large"],
  [/^The product touches the edge/, "touching"],
  [/^The outline is uncertain/, "uncertain"],
  [/^The file holds several pictures/, "several"],
  [/^The border is not exactly/, "border"],
  [/^The file has .* over the limit/, "heavy"],
  [/^The product was enlarged/, "enlarged"],
];

/** Return a warning in the reader's language, or as the service said it if it is a new one. */
export function sayWarning(warning: string, texts: Texts): string {
  const known = KNOWN.find(([pattern]) => pattern.test(warning));
  return known === undefined ? warning : texts.warning[known[1]];
}
