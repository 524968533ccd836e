import { describe, expect, it } from "vitest";

import { kindOf } from "../src/api/problem";
import { en } from "../src/i18n/en";
import { zh } from "../src/i18n/zh";
import { backoff, policyOf } from "../src/live/policy";
import { freeName } from "../src/model/download";
import { check, MARKETS } from "../src/model/market";
import { photosOf } from "../src/model/photos";
import { type TaskDetail, type TaskNews, withDetail, withNews } from "../src/model/task";
import type { Upload } from "../src/model/uploads";
import { sayWarning } from "../src/model/warnings";

const NEWS: TaskNews = {
  status: "processing",
  progress: 40,
  result_image_url: null,
  estimated_remaining_seconds: 3,
  error_message: null,
  error_code: null,
  updated_at: "2026-01-08T10:00:01.000Z",
  attempt: 1,
  stage: "refining",
  queue_position: 0,
};
const DONE: TaskNews = { ...NEWS, status: "completed", progress: 100, seq: 3, updated_at: "2026-01-08T10:00:02.000Z" };
const DETAIL: TaskDetail = {
  ...DONE,
  task_id: 7,
  seq: 3,
  filename: "cup.jpg",
  options: { preset: "amazon", engine: "auto", format: null, fill: null, background: null },
  result: {
    engine: "local",
    content_type: "image/jpeg",
    width: 2000,
    height: 2000,
    size_bytes: 300_000,
    confidence: 0.98,
    fill: 0.86,
    warnings: [],
  },
  input_image_url: "/in",
  thumbnail_url: "/thumb",
  created_at: "2026-01-08T10:00:00.000Z",
};

describe("news of a task", () => {
  it("never undoes an end, though late progress is newer", () => {
    const ended = withNews(withNews(undefined, 7, NEWS), 7, DONE);
    expect(withNews(ended, 7, { ...NEWS, attempt: 2, updated_at: "2026-01-08T10:00:09.000Z" })).toBe(ended);
  });

  it("ignores progress of an earlier attempt and takes that of a later one", () => {
    const second = withNews(undefined, 7, { ...NEWS, attempt: 2, progress: 5 });
    expect(withNews(second, 7, { ...NEWS, progress: 90 })).toBe(second);
    expect(withNews(second, 7, { ...NEWS, attempt: 3, progress: 1 }).news.attempt).toBe(3);
  });

  it("keeps what progress does not tell", () => {
    const created = withNews(undefined, 7, { ...NEWS, seq: 2, filename: "cup.jpg" });
    const later = withNews(created, 7, { ...NEWS, progress: 60 });
    expect([later.news.progress, later.news.seq, later.filename]).toEqual([60, 2, "cup.jpg"]);
  });

  it("takes an older answer of a fetch for its pictures, not for its state", () => {
    const ended = withNews(undefined, 7, DONE);
    const merged = withDetail(ended, { ...DETAIL, status: "pending", seq: 1, result: null });
    expect([merged.news.status, merged.detail?.input_image_url]).toEqual(["completed", "/in"]);
  });
});

describe("the list", () => {
  it("keeps a photo's key and preview when its upload becomes a task", () => {
    const upload = { key: "k", file: new File([], "cup.jpg"), preview: "blob:1", state: "sent", taskId: 7 } as Upload;
    const before = photosOf([upload], new Map());
    const after = photosOf([upload], new Map([[7, withNews(undefined, 7, NEWS)]]));
    expect([before.length, after.length, after[0]?.key, after[0]?.before]).toEqual([1, 1, before[0]?.key, "blob:1"]);
  });
});

describe("the check for a marketplace", () => {
  const result = DETAIL.result!;

  it("passes what Amazon takes, and says what it does not", () => {
    expect(check(DETAIL, MARKETS.amazon)).toEqual({ border: "white", fill: true, size: true });
    const poor = { ...result, width: 900, height: 900, fill: 0.7, warnings: ["The border is not exactly the background colour; x"] };
    expect(check({ ...DETAIL, result: poor }, MARKETS.amazon)).toEqual({ border: "bad", fill: false, size: false });
  });

  it("knows upper bounds", () => {
    const full = { ...DETAIL, result: { ...result, fill: 0.98, size_bytes: 17_000_000 } };
    expect(check(full, MARKETS.google_merchant)).toMatchObject({ fill: false, size: false });
  });
});

describe("words", () => {
  it("exist for every problem in both languages, with what to do", () => {
    for (const texts of [en, zh]) {
      for (const { what, fix } of Object.values(texts.problem)) expect(what.length * fix.length).toBeGreaterThan(0);
    }
  });

  it("sort unknown errors by their status", () => {
    expect([kindOf("blocked"), kindOf("x", 413), kindOf("x", 429), kindOf("x", 503), kindOf("x", 500)]).toEqual([
      "blocked",
      "image_too_large",
      "quota",
      "unavailable",
      "internal",
    ]);
  });

  it("translate the service's warnings, and pass on new ones", () => {
    expect(sayWarning("The outline is uncertain; check the result.", zh)).toBe(zh.warning.uncertain);
    expect(sayWarning("Something new.", zh)).toBe("Something new.");
  });
});

describe("connecting again", () => {
  it("follows the range of the close code", () => {
    expect([4001, 4010, 4101, 4200, 1006].map(policyOf)).toEqual(["stop", "soon", "back_off", "soon", "back_off"]);
  });

  it("waits up to a limit that doubles and ends at 30 s", () => {
    expect([1, 2, 3, 9].map((failures) => backoff(failures, () => 1))).toEqual([1000, 2000, 4000, 30_000]);
    expect(backoff(5, () => 0)).toBe(0);
  });
});

it("names in a ZIP are never twice the same, and are names that any system takes", () => {
  const taken = new Set<string>();
  expect([freeName("a/b.jpg", "png", taken), freeName("A_b.heic", "png", taken)]).toEqual(["a_b-white.png", "A_b-white-2.png"]);
});
