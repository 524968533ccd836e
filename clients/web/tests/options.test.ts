import type { Preset } from "@whitebg/client";
import { expect, test } from "vitest";

import { CONTENTS, DEFAULTS, formOf, marketsAgainst, usualFormat } from "../src/model/options";

const preset = (name: string, pure_white: boolean): Preset => ({ name, pure_white, format: "jpeg" }) as Preset;
const RULES = [preset("custom", false), preset("amazon", true), preset("shopify", false), preset("google_merchant", true)];

test("a mask has neither background nor shadow, and only Gemini gets the prompt", () => {
  const chosen = { ...DEFAULTS, shadow: "contact", background: "#f3f1ec", prompt: " open the strap " } as const;
  expect(formOf({ ...chosen, content: "mask" })).toEqual({ preset: "custom", engine: "auto", content: "mask" });
  expect(formOf({ ...chosen, engine: "gemini" })).toMatchObject({ prompt: "open the strap", background: "#f3f1ec" });
});

test("masks and transparent pictures are PNG files where the format is left to the preset", () => {
  expect(CONTENTS.map((content) => usualFormat(content, preset("amazon", true)))).toEqual(["jpeg", "png", "png"]);
});

test("each chosen market that takes pure white only is named where it gets something else", () => {
  const chosen = { ...DEFAULTS, preset: "shopify", also: ["google_merchant", "amazon"] } as const;
  const against = (change: object): string[] => marketsAgainst({ ...chosen, ...change }, RULES);
  expect(against({})).toEqual([]);
  expect(against({ background: "#f3f1ec" })).toEqual(["amazon", "google_merchant"]);
  expect(against({ content: "mask" })).toEqual(["amazon", "google_merchant"]);
  expect(against({ content: "transparent" })).toEqual(["amazon"]);
  expect(against({ content: "mask", also: [] })).toEqual([]);
  expect(marketsAgainst({ ...chosen, content: "mask" }, [])).toEqual([]);
});
