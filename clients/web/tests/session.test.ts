import { ApiError, type GuestToken } from "@whitebg/client";
import { beforeEach, expect, test, vi } from "vitest";

import { Session, SignInNeeded } from "../src/session/session";

const MINUTE = 60_000;
const asked: (string | null)[] = [];
let answers: (GuestToken | Error)[] = [];
let stored = new Map<string, string>();

const guestToken = (current: string | null): Promise<GuestToken> => {
  asked.push(current);
  const answer = answers.shift() ?? new Error("nobody expected this");
  return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
};
const guest = (token: string, ms = 60 * MINUTE): GuestToken => ({
  token,
  user_id: "guest-1",
  expires_at: new Date(Date.now() + ms).toISOString(),
});
const refused = (status: number): ApiError => new ApiError(status, "", "refused");
const jwt = (seconds: number): string => `x.${btoa(JSON.stringify({ exp: Math.floor(Date.now() / 1000) + seconds }))}.x`;

beforeEach(() => {
  stored = new Map();
  asked.length = 0;
  answers = [];
  vi.stubGlobal("localStorage", {
    getItem: (name: string) => stored.get(name) ?? null,
    setItem: (name: string, value: string) => void stored.set(name, value),
    removeItem: (name: string) => void stored.delete(name),
  });
});

test("a guest is made once, and two tabs that ask at the same time are the same", async () => {
  answers = [guest("one")];
  const tokens = await Promise.all([new Session(guestToken).token(), new Session(guestToken).token()]);
  expect(tokens).toEqual(["one", "one"]);
  expect(asked).toEqual([null]);
});

test("a guest whose time runs out is renewed as the same, or where that is refused made anew", async () => {
  const session = new Session(guestToken);
  answers = [guest("one", MINUTE), guest("two", MINUTE), refused(401), guest("three")];
  for (const token of ["one", "two", "three"]) expect(await session.token()).toBe(token);
  expect(asked).toEqual([null, "one", "two", null]);
});

test("where there are no guests a person is needed, and what may pass is passed on", async () => {
  const session = new Session(guestToken);
  answers = [refused(404), refused(503)];
  const needed = await session.token().catch((error: unknown) => error);
  expect(needed).toBeInstanceOf(SignInNeeded);
  expect(needed).toMatchObject({ expired: false });
  await expect(session.token()).rejects.toMatchObject({ status: 503 });
});

test("a pasted token is good to its end", async () => {
  const session = new Session(guestToken);
  session.use(jwt(60));
  expect(await session.token()).toMatch(/^x\./);
  session.use(jwt(-1));
  await expect(session.token()).rejects.toMatchObject({ expired: true });
  expect(localStorage.getItem("whitebg.session")).toBeNull();
  session.use("no JWT");
  expect(await session.token()).toBe("no JWT");
  expect(asked).toEqual([]);
});

test("only the token that is in force is dropped when it is refused, and only a pasted one needs a person", async () => {
  const session = new Session(guestToken);
  answers = [guest("one"), guest("two")];
  await session.token();
  expect(session.refuse("another")).toBe(false);
  expect(await session.token()).toBe("one");
  expect(session.refuse("one")).toBe(false);
  expect(await session.token()).toBe("two");
  session.use("pasted");
  expect(session.refuse("pasted")).toBe(true);
});
