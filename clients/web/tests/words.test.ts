import { expect, test } from "vitest";

import { en } from "../src/i18n/en";
import { zh } from "../src/i18n/zh";
import { DEFAULT_PATTERN, exampleOf, fromPattern, inFolders } from "../src/model/download";
import { findingsBeside, findingText } from "../src/model/findings";
import { Numbers } from "../src/model/numbers";
import { areOwn, DEFAULTS, formOf, parseOptions } from "../src/model/options";
import { PhotoList } from "../src/model/photos";
import { kindOf } from "../src/model/problem";
import { type Check, checkLines } from "../src/model/report";
import { waitOf } from "../src/model/standing";
import { detail, task } from "./support";

const check = (name: string, value: number | null, limit: string, verdict: Check["verdict"] = "passed"): Check => ({
  name,
  value,
  limit,
  verdict,
  message: verdict === "passed" ? "" : `what the service says of ${name}`,
});

const READY = { verdict: "ready" as const, verdict_reasons: [] };

const CHECKS = [
  check("border", 0, "exactly 255, 255, 255"),
  check("near_white", 0.4231, "at least 0.05"),
  check("fill", 0.8605, "0.85 to 1"),
  check("centring", 0.0005, "at most 0.02"),
  check("size", 2000, "1000 to 10000 px"),
  check("format", null, "JPEG, PNG, WEBP"),
  check("bytes", 312_345, "at most 3000000"),
  check("halo", 0.41, "at most 0.3", "warned"),
  check("fringe", 0.22, "at most 0.15", "warned"),
  check("components", 6, "1 to 4", "warned"),
  check("specks", 1, "at most 3"),
  check("sharpness", 0.98, "at least 0.5"),
  check("whole", 0, "at most 0.01"),
  check("same_product", 0.31, "at least 0.55", "failed"),
  check("torn", 0.01, "at most 0.06"),
  check("edge_width", 1.34, "at most 2.3"),
  check("ghosts", 0, "at most 0.03"),
  check("holes", 5, "at most 3", "warned"),
  check("openings", 0, "at most 0.02"),
  check("shadow", 0, "at most 0.02"),
  check("lost", 0.05, "at most 0.012", "warned"),
];

function lines(checks: Check[], words = en, tag = "en", background: string | null = null, content = "picture") {
  const report = { preset: "amazon", passed: false, checks };
  const size = { width: 2000, height: 2000, size_bytes: 312_345, fill: 0.86 };
  const result = { engine: "local", content_type: "image/jpeg", ...size, confidence: 0.9, warnings: [], findings: [], placement: null, ...READY, report };
  const options = { ...detail(1).options, background, content };
  return checkLines(detail(1, { result, options }), words.report, new Numbers(tag));
}

test("every check is said with its value beside its rule, the worst first", () => {
  const said = lines(CHECKS).map(({ name, measured, asked }) => [name, measured, asked]);
  expect(said).toEqual([
    ["The same product", "31% alike", "at least 55%"],
    ["Clean edge", "41% of the outline has a pale fringe", "at most 30%"],
    ["Edge free of backdrop colour", "22% of the outline keeps the backdrop’s colour", "at most 15%"],
    ["Separate parts", "6 parts", "1 to 4"],
    ["No holes torn in", "5 small holes", "at most 3"],
    ["Nothing missing", "Cut away: 5% of the product’s area", "at most 1.2%"],
    ["Clean border", "Exactly white (255, 255, 255) all around", "exactly 255, 255, 255"],
    ["Background removed", "42% of the picture is plain background", "at least 5%"],
    ["Product fills", "86% of the frame", "at least 85%"],
    ["In the middle", "0.1% off the middle", "at most 2%"],
    ["Size", "2000 × 2000 px", "1000 to 10000 px"],
    ["Format", "JPEG", "JPEG, PNG, or WebP"],
    ["File size", "313 kB", "at most 3 MB"],
    ["No specks", "1 speck", "at most 3"],
    ["Sharpness", "98% of the detail in your photo", "at least 50%"],
    ["Nothing cut off", "The product is clear of your photo's edge", "at most 1%"],
    ["Smooth outline", "1% of the outline is ragged", "at most 6%"],
    ["Sharp outline", "1.3 px wide, in a picture of 480 px", "at most 2.3"],
    ["No traces of backdrop", "Faint traces: 0% of the product’s area", "at most 3%"],
    ["Openings cut out", "0% of the product looks like the backdrop", "at most 2%"],
    ["Shadow removed", "0% of the product is shadow", "at most 2%"],
  ]);
});

test("no check is left in English for who reads Chinese", () => {
  for (const { name, measured, asked, advice } of lines(CHECKS, zh, "zh-CN")) {
    const said = [name, measured, asked, advice].join(" ").replaceAll(/JPEG|PNG|WebP|px|MB|kB/g, "");
    expect(said).not.toMatch(/[A-Za-z]/);
  }
});

test("the remedy follows from the cause", () => {
  const wrong = [
    check("border", 12, "exactly 255, 255, 255", "failed"),
    check("components", 0, "1 to 4", "failed"),
  ];
  expect(lines(wrong).map(({ advice }) => advice)).toEqual([en.report.advice.border, en.report.advice.componentsNone]);
  const [border] = lines(wrong, en, "en", "#ffeedd");
  expect([border?.measured, border?.advice]).toEqual(["Off by up to 12 of 255", en.report.advice.borderColour]);
  const [own] = lines([check("border", 0, "exactly the background")], en, "en", "#ffeedd");
  expect([own?.measured, own?.asked]).toEqual([en.report.measured.borderColour, en.report.asked.background]);
});

test("neither a mask nor a transparent picture is said to be white", () => {
  for (const words of [en, zh]) {
    for (const content of ["mask", "transparent"]) {
      const [taken] = lines([check("border", 0, "exactly the background")], words, "en", null, content);
      expect([taken?.measured, taken?.asked]).toEqual([words.report.measured.borderColour, words.report.asked.background]);
      const [refused] = lines([check("border", null, "exactly 255, 255, 255", "failed")], words, "en", null, content);
      expect(refused).toMatchObject({ measured: "", asked: words.report.asked.white, advice: words.report.advice.borderContent });
    }
  }
});

test("anything goes where there is no limit, and a check of a later server is shown as it says it", () => {
  const [bytes, fill, later] = lines([
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

test("limits of the server are named, and not taken for the user's queue", () => {
  expect([kindOf("storage_quota_exceeded", 429), kindOf("disk_full", 503), kindOf("body_too_slow", 408)]).toEqual([
    "storage",
    "disk_full",
    "slow",
  ]);
  expect(kindOf("image_too_complex", 422)).toBe("unreadable");
});

test("unknown errors are sorted by their status", () => {
  const kinds = [kindOf("blocked"), kindOf("x", 413), kindOf("x", 429), kindOf("x", 503), kindOf("x", 500)];
  expect(kinds).toEqual(["blocked", "image_too_large", "quota", "unavailable", "internal"]);
});

test("findings have a text by code in both languages; an unknown code shows the service's message", () => {
  const finding = (code: string, message = "As the service puts it.") => ({ code, message, region: null });
  expect(findingText(finding("uncertain_outline"), zh)).toBe(zh.finding.uncertain_outline);
  expect(findingText(finding("cmyk_without_profile"), en)).toBe(en.finding.cmyk_without_profile);
  expect(findingText(finding("unknown", "Something new."), zh)).toBe("Something new.");
  for (const text of Object.values(zh.finding)) {
    expect(text.replaceAll(/JPEG|PNG|CMYK|sRGB|Gemini/g, "")).not.toMatch(/[A-Za-z]/);
  }
});

test("a finding that a check of the report states too is not listed beside it", () => {
  const findings = ["product_touches_frame", "cluttered"].map((code) => ({ code, message: code, region: null }));
  const warned = { preset: "custom", passed: true, checks: [check("whole", 0.1, "", "warned")] };
  const listed = (report: typeof warned | null) =>
    findingsBeside({ ...RESULT, findings, report }).map(({ code }) => code);
  expect(listed(warned)).toEqual(["cluttered"]);
  expect(listed(null)).toEqual(["product_touches_frame", "cluttered"]);
  const located = { code: "product_touches_frame", message: "", region: { left: 0, top: 0.9, right: 1, bottom: 1 } };
  expect(findingsBeside({ ...RESULT, findings: [located], report: warned })).toEqual([located]);
});

const SIZE = { width: 1, height: 1, size_bytes: 1, fill: 1 };
const RESULT = { engine: "local", content_type: "image/png", ...SIZE, confidence: 1, warnings: [], findings: [], placement: null, ...READY };

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

test("the example of a name in a ZIP fills in the fields, and shows the folder of the market", () => {
  const named = (name: string, pattern = DEFAULT_PATTERN) => fromPattern(pattern, { name, market: "jd" }, 7);
  expect(named("a:b.jpg")).toBe("a_b-white");
  expect(named("CUP-12 front.jpg", "{sku}_{market}_{n}_{other}")).toBe("CUP_jd_007_{other}");
  expect(named("cup.jpg", " ")).toBe("photo");
  expect(named("cup.jpg", inFolders("{name}", [{ market: "jd" }, { market: "amazon" }]))).toBe("jd/cup");
  expect(inFolders("{market}-{name}", [{ market: "jd" }, { market: "amazon" }])).toBe("{market}-{name}");
  expect(inFolders("{name}", [{ market: "jd" }, { market: "jd" }])).toBe("{name}");
});

test("the example has the extension of the first picture whose type is known", () => {
  const made = (id: number, type: string) => ({ ...task(id), detail: detail(id, { result: { ...RESULT, content_type: type, report: null } }) });
  const example = (...tasks: ReturnType<typeof task>[]) => exampleOf(DEFAULT_PATTERN, new PhotoList().of([], tasks));
  expect([example(made(1, "image/png")), example(made(1, "image/jpeg"))]).toEqual(["cup-white.png", "cup-white.jpg"]);
  expect(example({ ...task(2), detail: null })).toBe("cup-white");
});

test("a wait names its reason and end, with the date unless it ends today", () => {
  const at = (day: number, hour: number) => new Date(2026, 0, day, hour, 4).getTime();
  const said = (until: number | null, words = en, tag = "en", reason = "rate_limited") => waitOf({ wait: { reason, until } }, words, tag, at(8, 12));
  expect(said(at(8, 15))).toBe("Waiting for Gemini's quota until 15:04");
  expect(said(at(9, 9))).toBe("Waiting for Gemini's quota until Jan 9, 09:04");
  // A device's clock may be wrong: an end that seems past is said all the same.
  expect(said(at(8, 11))).toBe("Waiting for Gemini's quota until 11:04");
  expect(said(at(8, 0), zh, "zh-CN")).toContain("00:04");
  expect(said(at(9, 9), zh, "zh-CN")).toContain("1月9日");
  expect(said(null, en, "en", "paused")).toBe("Paused by the operator");
  expect([waitOf({ wait: null }, en, "en"), said(null, en, "en", "worker_stopped")]).toEqual([null, null]);
});
