/** The findings of a result, in the page's language: texts are selected by code. */
import type { Texts } from "../i18n";
import type { Result } from "./report";

export type Finding = Result["findings"][number];
export type Region = NonNullable<Finding["region"]>;

/** Checks of the report that state the same as a finding, with figures. */
const CHECK_OF: Partial<Record<string, string>> = {
  product_touches_frame: "whole",
  generated_cropped: "whole",
  generated_differs: "same_product",
  border_not_exact: "border",
  file_too_large: "bytes",
};

/** Return the text of a finding in the page's language, or the service's message for an unknown code. */
export function findingText({ code, message }: Finding, texts: Texts): string {
  return (texts.finding as Partial<Record<string, string>>)[code] ?? message;
}

/** Return the findings of a result that its report doesn't contain, and those with a region of the photo. */
export function findingsBeside({ findings, report }: Result): Finding[] {
  return findings.filter(({ code, region }) => {
    if (region !== null) return true;
    const check = CHECK_OF[code];
    return !(report?.checks.some(({ name, verdict }) => name === check && verdict !== "passed") ?? false);
  });
}
