/** The service warns in English; here its sentences are found again, to be said in the reader's language. */
import type { Texts } from "../i18n";
import type { Result } from "./report";

type Known = keyof Texts["warning"];

/** `check`: that of the report which says the same, with its figures. */
const KNOWN: readonly { pattern: RegExp; warning: Known; check?: string }[] = [
  { pattern: /^The background is cluttered/, warning: "cluttered" },
  { pattern: /^The product takes less than/, warning: "small" },
  { pattern: /^The product fills nearly/, warning: "large" },
  { pattern: /^The product touches the edge/, warning: "touching", check: "whole" },
  { pattern: /^The outline is uncertain/, warning: "uncertain" },
  { pattern: /^The file holds several pictures/, warning: "several" },
  { pattern: /^The border is not exactly/, warning: "border", check: "border" },
  { pattern: /^The file has .* over the limit/, warning: "heavy", check: "bytes" },
  { pattern: /^The product was enlarged/, warning: "enlarged" },
];

/** Return a warning in the reader's language, or as the service said it if it is a new one. */
export function sayWarning(warning: string, texts: Texts): string {
  const known = KNOWN.find(({ pattern }) => pattern.test(warning));
  return known === undefined ? warning : texts.warning[known.warning];
}

/** Return the warnings of a result that its report does not give as well. */
export function warningsBeside({ warnings, report }: Result): string[] {
  return warnings.filter((warning) => {
    const check = KNOWN.find(({ pattern }) => pattern.test(warning))?.check;
    return !(report?.checks.some(({ name, verdict }) => name === check && verdict !== "passed") ?? false);
  });
}
