import fc from "fast-check";
import { expect, test } from "vitest";

import { compareNews, laterNews } from "../src/ordering.ts";
import { hasEnded, type TaskData } from "../src/index.ts";
import { data } from "./support/gateway.ts";

const news: fc.Arbitrary<TaskData> = fc
  .record({
    status: fc.constantFrom("pending", "processing", "completed", "failed"),
    progress: fc.integer({ min: 0, max: 100 }),
    attempt: fc.integer({ min: 0, max: 3 }),
    second: fc.integer({ min: 10, max: 15 }),
    seq: fc.option(fc.integer({ min: 1, max: 5 }), { nil: undefined }),
  })
  .map(({ second, seq, ...rest }) => ({
    ...data({ ...rest, updated_at: `2026-01-08T10:00:${second}.000Z` }),
    ...(seq === undefined ? {} : { seq, filename: "cup.jpg" }),
  }));

const standing = (heard: readonly TaskData[]): TaskData | undefined =>
  heard.reduce<TaskData | undefined>((held, next) => laterNews(held, next), undefined);

test("where a task stands does not depend on the order of its news, nor on how often they come", () => {
  const heard = fc.array(news, { minLength: 1, maxLength: 8 });
  const shuffled = heard.chain((all) =>
    fc.tuple(fc.constant(all), fc.shuffledSubarray([...all, ...all], { minLength: all.length * 2 })),
  );
  fc.assert(
    fc.property(shuffled, ([all, again]) => {
      expect(compareNews(standing(all)!, standing(again)!)).toBe(0);
      expect(standing(all)!.filename).toBe(standing(again)!.filename);
    }),
  );
});

test("an end is never left, and nothing goes back to a lower attempt", () => {
  fc.assert(
    fc.property(news, news, (held, next) => {
      const now = laterNews(held, next);
      if (hasEnded(held)) expect(hasEnded(now)).toBe(true);
      if (!hasEnded(now)) expect(now.attempt).toBeGreaterThanOrEqual(held.attempt);
      if (!hasEnded(now) && now.attempt === held.attempt) expect(now.updated_at >= held.updated_at).toBe(true);
    }),
  );
});

test("news that say nothing later leave the very object, so that nothing renders", () => {
  fc.assert(
    fc.property(news, (held) => {
      expect(laterNews(held, { ...held })).toBe(held);
    }),
  );
});

test("progress names no file, so the name that is known stays", () => {
  const held = data({ seq: 1, filename: "cup.jpg" });
  const next = laterNews(held, data({ progress: 50, updated_at: "2026-01-08T10:00:01.000Z" }));
  expect(next).toMatchObject({ progress: 50, filename: "cup.jpg" });
});

test("progress with a reason of null ends the wait, and with another replaces it", () => {
  const paused = data({ status: "pending", seq: 4, wait_reason: "paused" });
  const place = data({ status: "pending", updated_at: "2026-01-08T10:00:01.000Z", queue_position: 3, wait_reason: null });
  expect(laterNews(paused, place).wait_reason).toBeNull();
  const wait = { wait_reason: "rate_limited", waiting_until: "2026-01-08T15:04:00.000Z" };
  expect(laterNews(paused, { ...place, ...wait })).toMatchObject(wait);
});

test("progress of older gateways carries no wait, so that of the same attempt stays, whichever comes first", () => {
  const wait = { wait_reason: "rate_limited", waiting_until: "2026-01-08T15:04:00.000Z" };
  const snoozed = data({ status: "pending", attempt: 1, seq: 4, filename: "cup.jpg", ...wait });
  const place = data({ status: "pending", attempt: 1, updated_at: "2026-01-08T10:00:01.000Z", queue_position: 3 });
  expect(laterNews(snoozed, place)).toMatchObject({ queue_position: 3, ...wait });
  expect(laterNews(place, snoozed)).toMatchObject({ queue_position: 3, ...wait });
  const started = data({ status: "processing", attempt: 2, updated_at: "2026-01-08T10:00:02.000Z" });
  expect(laterNews(snoozed, started).waiting_until).toBeUndefined();
});
