import { expect, test } from "vitest";

import { en } from "../src/i18n/en";
import { zh } from "../src/i18n/zh";
import { freeName } from "../src/model/download";
import { Numbers } from "../src/model/numbers";
import { areOwn, DEFAULTS, formOf, parseOptions } from "../src/model/options";
import { kindOf } from "../src/model/problem";
import { type Check, findingsOf } from "../src/model/report";
import { sayWarning, warningsBeside } from "../src/model/warnings";
import { detail } from "./support";

const check = (name: string, value: number | null, limit: string, verdict: Check["verdict"] = "passed"): Check => ({
  name,
  value,
  limit,
  verdict,
  message: verdict === "passed" ? "" : `what the service says of ${name}`,
});

const CHECKS = [
  check("border", 0, "exactly 255, 255, 255"),
  check("near_white", 0.4231, "at least 0.05"),
  check("fill", 0.8605, "0.85 to 1"),
  check("centring", 0.0005, "at most 0.02"),
  check("size", 2000, "1000 to 10000 px"),
  check("format", null, "JPEG, PNG, WEBP"),
  check("bytes", 312_345, "at most 3000000"),
  check("halo", 0.41, "at most 0.3", "warned"),
  check("components", 6, "1 to 4, and at most 3 specks", "warned"),
  check("sharpness", 0.98, "at least 0.5"),
  check("whole", 0, "at most 0.01"),
  check("same_product", 0.31, "at least 0.55", "failed"),
];

function findings(checks: Check[], words = en, tag = "en", background: string | null = null) {
  const report = { preset: "amazon", passed: false, checks };
  const size = { width: 2000, height: 2000, size_bytes: 312_345, fill: 0.86 };
  const result = { engine: "local", content_type: "image/jpeg", ...size, confidence: 0.9, warnings: [], report };
  const options = { ...detail(1).options, background };
  return findingsOf(detail(1, { result, options }), words.report, new Numbers(tag));
}

test("every check is said with its value beside its rule, the worst first", () => {
  const said = findings(CHECKS).map(({ name, measured, asked }) => [name, measured, asked]);
  expect(said).toEqual([
    ["The same product", "31% alike", "at least 55%"],
    ["Clean edge", "41% of the outline has a pale fringe", "at most 30%"],
    ["In one piece", "6 parts", "1 to 4 parts, up to 3 specks"],
    ["White border", "Exactly white (255, 255, 255) all around", "exactly 255, 255, 255"],
    ["Background removed", "42% of the picture is plain background", "at least 5%"],
    ["Product fills", "86% of the frame", "at least 85%"],
    ["In the middle", "0.1% off the middle", "at most 2%"],
    ["Size", "2000 × 2000 px", "1000 to 10000 px"],
    ["Format", "JPEG", "JPEG, PNG, or WebP"],
    ["File size", "313 kB", "at most 3 MB"],
    ["Sharpness", "98% of the detail in your photo", "at least 50%"],
    ["Nothing cut off", "The product is clear of your photo's edge", "at most 1%"],
  ]);
});

test("no check is left in English for who reads Chinese", () => {
  for (const { name, measured, asked, advice } of findings(CHECKS, zh, "zh-CN")) {
    const said = [name, measured, asked, advice].join(" ").replaceAll(/JPEG|PNG|WebP|px|MB|kB/g, "");
    expect(said).not.toMatch(/[A-Za-z]/);
  }
});

test("what to do follows from what was wrong", () => {
  const wrong = [
    check("border", 12, "exactly 255, 255, 255", "failed"),
    check("components", 0, "1 to 4, and at most 3 specks", "failed"),
  ];
  const specks = { ...check("components", 1, "1 to 4, and at most 3 specks", "warned"), message: "There are 1 parts and 7 specks; x" };
  expect(findings([specks])[0]?.measured).toBe("1 part, 7 specks");
  expect(findings(wrong).map(({ advice }) => advice)).toEqual([en.report.advice.border, en.report.advice.componentsNone]);
  const [border] = findings(wrong, en, "en", "#ffeedd");
  expect([border?.measured, border?.advice]).toEqual(["Off by up to 12 of 255", en.report.advice.borderColour]);
  const [own] = findings([check("border", 0, "exactly the background")], en, "en", "#ffeedd");
  expect([own?.measured, own?.asked]).toEqual([en.report.measured.borderColour, en.report.asked.background]);
});

test("anything goes where there is no limit, and a check of a later server is shown as it says it", () => {
  const [bytes, fill, later] = findings([
    check("bytes", 5_000_000, ""),
    check("fill", 0.5, "0 to 1"),
    check("gloss", 0.12, "at most 0.1"),
  ]);
  expect([bytes?.measured, bytes?.asked, fill?.asked]).toEqual(["5 MB", "", ""]);
  expect(later).toMatchObject({ name: "gloss", measured: "0.1", asked: "at most 0.1" });
});

test("there are words for every problem in both languages, with what to do", () => {
  for (const texts of [en, zh]) {
    for (const { what, fix } of Object.values(texts.problem)) expect(what.length * fix.length).toBeGreaterThan(0);
  }
});

test("unknown errors are sorted by their status", () => {
  const kinds = [kindOf("blocked"), kindOf("x", 413), kindOf("x", 429), kindOf("x", 503), kindOf("x", 500)];
  expect(kinds).toEqual(["blocked", "image_too_large", "quota", "unavailable", "internal"]);
});

test("warnings are said in the reader's language, new ones as they come, and none that the report gives too", () => {
  expect(sayWarning("The outline is uncertain; check the result.", zh)).toBe(zh.warning.uncertain);
  expect(sayWarning("Something new.", zh)).toBe("Something new.");
  const warnings = ["The product touches the edge of the photo and may be cut off", "Something new."];
  const result = detail(1, {
    result: { ...RESULT, warnings, report: { preset: "custom", passed: true, checks: [check("whole", 0.1, "", "warned")] } },
  }).result;
  expect(result === null ? [] : warningsBeside(result)).toEqual(["Something new."]);
  expect(warningsBeside({ ...RESULT, warnings, report: null })).toEqual(warnings);
});

const RESULT = { engine: "local", content_type: "image/png", width: 1, height: 1, size_bytes: 1, confidence: 1, fill: 1 };

test("stored options are taken as far as they can be used, and only what differs from the preset is sent", () => {
  expect(parseOptions(null)).toEqual(DEFAULTS);
  expect(parseOptions("{")).toEqual(DEFAULTS);
  const stored = { preset: "amazon", format: "tiff", size: 50, fill: 0.9, background: "#ABC", shadow: "contact" };
  const options = parseOptions(JSON.stringify(stored));
  expect(options).toEqual({ ...DEFAULTS, preset: "amazon", fill: 0.9, shadow: "contact" });
  expect(formOf(options)).toEqual({ preset: "amazon", engine: "auto", fill: 0.9, shadow: "contact" });
  const all = { ...options, format: "webp", size: 1500, background: "#ffeedd" } as const;
  expect(formOf(all)).toMatchObject({ format: "webp", size_px: 1500, background: "#ffeedd" });
  expect([areOwn({ ...DEFAULTS, preset: "jd" }), areOwn(options)]).toEqual([false, true]);
});

test("names in a ZIP are never twice the same, and are names that any system takes", () => {
  const taken = new Set<string>();
  expect([freeName("a/b.jpg", "png", taken), freeName("A_b.heic", "png", taken)]).toEqual(["a_b-white.png", "A_b-white-2.png"]);
});
