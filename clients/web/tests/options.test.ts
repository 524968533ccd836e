import type { Preset, TaskDetail } from "@whitebg/client";
import { expect, test } from "vitest";

import { commonOptions, CONTENTS, DEFAULTS, formOf, marketsAgainst, usualFormat } from "../src/model/options";

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

const made = (options: object): TaskDetail =>
  ({ options: { preset: "amazon", format: null, engine: "auto", fill: null, margin: null, size_px: null, background: null, ...options } }) as TaskDetail;

test("another version starts with the options of the photo", () => {
  const own = { preset: "jd", format: "webp", engine: "local", fill: 0.9, size_px: 800, background: "#F3F1EC", shadow: "contact" };
  expect(commonOptions([made(own)])).toEqual({
    ...DEFAULTS,
    preset: "jd",
    format: "webp",
    engine: "local",
    fill: 0.9,
    size: 800,
    background: "#f3f1ec",
    shadow: "contact",
  });
  expect(commonOptions([made({ margin: 0.05 })]).fill).toBeCloseTo(0.9);
});

test("other versions of several photos start with what they share", () => {
  const photos = [made({ fill: 0.9, content: "transparent" }), made({ fill: 0.9, preset: "jd", content: "mask" })];
  expect(commonOptions(photos)).toEqual({ ...DEFAULTS, fill: 0.9 });
  expect(commonOptions([])).toEqual(DEFAULTS);
});
