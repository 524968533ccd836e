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
const serverTime = (): number => Date.now();
const newSession = (): Session => new Session(guestToken, serverTime);
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
  const tokens = await Promise.all([newSession().token(), newSession().token()]);
  expect(tokens).toEqual(["one", "one"]);
  expect(asked).toEqual([null]);
});

test("a guest whose time runs out is renewed as the same, or where that is refused made anew", async () => {
  const session = newSession();
  answers = [guest("one", MINUTE), guest("two", MINUTE), refused(401), guest("three")];
  for (const token of ["one", "two", "three"]) expect(await session.token()).toBe(token);
  expect(asked).toEqual([null, "one", "two", null]);
});

test("a guest's token is renewed from half of its lifetime, and stays in use where that fails", async () => {
  vi.useFakeTimers({ now: Date.now(), toFake: ["Date", "performance"] });
  const session = newSession();
  answers = [guest("one"), refused(503), guest("two")];
  const pass = async (minutes: number): Promise<string> => {
    vi.setSystemTime(Date.now() + minutes * MINUTE);
    vi.advanceTimersByTime(minutes * MINUTE);
    const token = await session.token();
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve(); // The renewal ends without timers.
    return token;
  };
  expect(await session.token()).toBe("one");
  expect(await pass(14)).toBe("one");
  expect(asked).toEqual([null]);
  expect(await pass(2)).toBe("one");
  expect(asked).toEqual([null, "one"]);
  expect(await pass(2)).toBe("one");
  expect(await pass(1)).toBe("two");
  expect(asked).toEqual([null, "one", "one"]);
  vi.useRealTimers();
});

test("after a sign-out the guest from before the sign-in is back", async () => {
  const session = newSession();
  answers = [guest("one")];
  await session.token();
  expect(session.account).toBeNull();
  session.use("pasted");
  expect(session.account).toEqual({ name: "" });
  expect(session.signOut()).toBe("pasted");
  expect(await session.token()).toBe("one");
  expect(asked).toEqual([null]);
});

test("the name of the person is that of the token", () => {
  const session = newSession();
  session.use(`x.${btoa(JSON.stringify({ sub: "oidc-1", name: "Ann Lee" }))}.x`);
  expect(session.account).toEqual({ name: "Ann Lee" });
});

test("callers that need a token at the same time share one request", async () => {
  const session = newSession();
  answers = [guest("one", MINUTE), guest("two")];
  expect(await Promise.all([session.token(), session.token()])).toEqual(["one", "one"]);
  expect(await Promise.all([session.token(), session.token()])).toEqual(["two", "two"]);
  expect(asked).toEqual([null, "one"]);
});

test("where guests are not served, the gateway is asked once, and a person is needed", async () => {
  const session = newSession();
  answers = [refused(503), refused(404)];
  await expect(session.token()).rejects.toMatchObject({ status: 503 });
  for (const outcome of await Promise.allSettled([session.token(), session.token()])) {
    expect(outcome).toMatchObject({ status: "rejected", reason: { expired: false } });
    expect((outcome as PromiseRejectedResult).reason).toBeInstanceOf(SignInNeeded);
  }
  await expect(session.token()).rejects.toBeInstanceOf(SignInNeeded);
  expect(asked).toEqual([null, null]);
  newSession().use("pasted in another tab");
  expect(await session.token()).toBe("pasted in another tab");
});

test.each([-30, 30])("a device clock that is %i days off changes nothing", async (days) => {
  const offset = days * 24 * 60 * MINUTE;
  let known = false;
  const session = new Session(guestToken, () => (known ? Date.now() + offset : null));
  answers = [guest("one", offset + 60 * MINUTE), guest("two", offset + 120 * MINUTE)];
  expect(await session.token()).toBe("one");
  expect(await session.token()).toBe("one");
  known = true;
  expect(await session.token()).toBe("one");
  vi.useFakeTimers({ now: Date.now() + 59 * MINUTE, toFake: ["Date"] });
  expect(await session.token()).toBe("two");
  vi.useRealTimers();
  expect(asked).toEqual([null, "one"]);
  session.use(`x.${btoa(JSON.stringify({ exp: (Date.now() + offset) / 1000 + 60 }))}.x`);
  expect(await session.token()).toMatch(/^x\./);
  session.use(`x.${btoa(JSON.stringify({ exp: (Date.now() + offset) / 1000 - 1 }))}.x`);
  await expect(session.token()).rejects.toMatchObject({ expired: true });
});

test("without locks, of two tabs that become a guest at the same time, both use the one stored first", async () => {
  const [one, two] = [new Session(guestToken, serverTime, null), new Session(guestToken, serverTime, null)];
  answers = [guest("one"), guest("two")];
  expect(await Promise.all([one.token(), two.token()])).toEqual(["one", "one"]);
  expect(asked).toEqual([null, null]);
});

test("a tab that holds the lock for too long is not waited for", async () => {
  const expired = new DOMException("held for too long", "TimeoutError");
  vi.spyOn(AbortSignal, "timeout").mockReturnValueOnce(AbortSignal.abort(expired));
  answers = [guest("one")];
  expect(await newSession().token()).toBe("one");
});

test("a pasted token is good to its end", async () => {
  const session = newSession();
  session.use(jwt(60));
  expect(await session.token()).toMatch(/^x\./);
  session.use(jwt(-1));
  await expect(session.token()).rejects.toMatchObject({ expired: true });
  expect(localStorage.getItem("whitebg.session")).toBeNull();
  session.use("no JWT");
  expect(await session.token()).toBe("no JWT");
  expect(asked).toEqual([]);
});

test("another user is noticed, in this tab and in others; a guest that replaces a guest is not one", async () => {
  const of = (sub: string): string => `x.${btoa(JSON.stringify({ sub }))}.x`;
  const tab = new EventTarget();
  vi.stubGlobal("window", tab);
  const [here, there] = [newSession(), newSession()];
  const heard: boolean[] = [];
  const unwatch = there.watch((isAnother) => heard.push(isAnother));
  const stored = (): boolean => tab.dispatchEvent(Object.assign(new Event("storage"), { key: "whitebg.session" }));
  answers = [guest("one", MINUTE), guest("two", MINUTE), guest("three", 0)];
  expect(await there.token()).toBe("one");
  await here.token();
  stored();
  expect(here.use(of("ann"))).toBe(true);
  stored();
  expect(here.use("unreadable")).toBe(false);
  stored();
  expect(here.use(of("ann"))).toBe(false);
  stored();
  expect(here.use(of("ben"))).toBe(true);
  unwatch();
  stored();
  tab.dispatchEvent(Object.assign(new Event("storage"), { key: "whitebg.language" }));
  expect(heard).toEqual([false, true, false, false]);
});

test("only the token that is in force is dropped when it is refused, and only a pasted one needs a person", async () => {
  const session = newSession();
  answers = [guest("one"), guest("two")];
  await session.token();
  expect(session.refuse("another")).toBe(false);
  expect(await session.token()).toBe("one");
  expect(session.refuse("one")).toBe(false);
  expect(await session.token()).toBe("two");
  session.use("pasted");
  expect(session.refuse("pasted")).toBe(true);
});
