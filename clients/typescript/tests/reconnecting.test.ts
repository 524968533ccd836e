import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { type ClientOptions, type SyncAnswer, type WhitebgClient } from "../src/index.ts";
import { ManualClock } from "./support/clock.ts";
import { FakeGateway, message, syncBegin, syncEnd } from "./support/gateway.ts";
import { clientOf, eventually, greet } from "./support/start.ts";

const NOBODY = { status: 0, body: null };
const CONFIG = "GET /api/v2/config";
const SYNC = "GET /api/v2/events";
const config = { websocket_only: true, transport: "websocket", polling_interval_ms: 10, rollout_percent: 100 };
const quiet: SyncAnswer = { mode: "replay", reason: null, messages: [], cursor: "e:9", has_more: false };

let gateway: FakeGateway;
let client: WhitebgClient;

function start(options: Partial<ClientOptions> = {}): void {
  client = clientOf(gateway, options);
  client.connect();
}

const connected = (): Promise<void> => eventually(() => expect(client.state).toBe("connected"));
/** Wait for a round trip: requests that were started before have reached the gateway. */
const roundTrip = (): Promise<unknown> => client.http.presets().catch(() => undefined);
const ids = (): number[] => [...client.tasks.read().keys()];

beforeEach(async () => {
  gateway = await FakeGateway.start();
});
afterEach(async () => {
  client.close();
  vi.restoreAllMocks();
  await gateway.stop();
});

describe("one hanging request does not stop reconnection", () => {
  test("of the configuration", async () => {
    gateway.routes.set(CONFIG, () => (gateway.count("/api/v2/config") === 1 ? NOBODY : { status: 200, body: config }));
    start({ timeoutMs: 50 });
    await connected();
    expect(gateway.count("/api/v2/config")).toBe(2);
  });

  test("of the token, at the start and after a rejected session", async () => {
    const never = new Promise<string>(() => undefined);
    const token = vi.fn((): string | Promise<string> => "session");
    token.mockReturnValueOnce(never);
    start({ token, timeoutMs: 50 });
    await connected();
    token.mockReturnValueOnce(never);
    gateway.peer.socket.close(4001);
    await eventually(() => expect(client.state).toBe("closed"));
  });

  test("of a poll", async () => {
    gateway.transport = "polling";
    gateway.routes.set(SYNC, () => (gateway.count("/api/v2/events") === 1 ? NOBODY : { status: 200, body: quiet }));
    start({ timeoutMs: 50 });
    await eventually(() => expect(client.state).toBe("polling"));
    expect(gateway.count("/api/v2/events")).toBeGreaterThan(1);
  });

  test("of a detail", async () => {
    const clock = new ManualClock();
    gateway.routes.set("GET /api/v2/tasks/7", () => NOBODY);
    start({ details: true, environment: { clock } });
    await greet(gateway, client, message(7, null), message(8, null), message(9, "e:1"));
    client.subscribe(0, {});
    gateway.peer.say(message(7, "e:2", { seq: 2 }));
    await eventually(() => expect(gateway.count("/api/v2/tasks/7")).toBe(1));
    clock.pass(30_000);
    await eventually(() => {
      clock.pass(2_000);
      expect(gateway.count("/api/v2/tasks/7")).toBe(2);
    });
  });
});

describe("a gateway that asks to back off is polled meanwhile", () => {
  const learned = (): void => void gateway.answers.push({ ...quiet, messages: [message(7, "e:5")] });

  test("after too many connections; the time that it names is honoured, even when the network returns", async () => {
    const clock = new ManualClock();
    gateway.user = 4103;
    gateway.reason = "over 10 connections in a minute; try again in 37 s";
    learned();
    start({ environment: { clock } });
    await eventually(() => expect(client.state).toBe("polling"));
    expect(ids()).toEqual([7]);
    expect(client.connection.read()).toMatchObject({ closeCode: 4103, problem: gateway.reason });
    gateway.user = "ann";
    client.retryNow();
    for (let second = 0; second < 36; second += 1) clock.pass(1_000);
    clock.pass(999);
    await roundTrip();
    expect(gateway.count("/api/v2/config")).toBe(1);
    clock.pass(1);
    await connected();
    expect(gateway.count("/api/v2/config")).toBe(2);
  });

  test("after it was left behind, from the cursor", async () => {
    const clock = new ManualClock();
    start({ environment: { clock, random: () => 0.5 } });
    await greet(gateway, client, message(6, "e:1"));
    learned();
    gateway.peer.socket.close(4101, "too slow");
    await eventually(() => expect(ids()).toEqual([6, 7]));
    expect(client.state).toBe("polling");
    clock.pass(500);
    await connected();
    expect(gateway.peer.url.searchParams.get("since")).toBe("e:9");
  });

  test("after 429, whose Retry-After is honoured in seconds and as a date", async () => {
    const clock = new ManualClock();
    const headers: Record<string, string> = { "Retry-After": "20" };
    const limited = { error: { code: "rate_limited", message: "too many requests" } };
    gateway.routes.set(CONFIG, () => ({ status: 429, body: limited, headers }));
    learned();
    start({ environment: { clock } });
    await eventually(() => expect(client.state).toBe("polling"));
    expect(ids()).toEqual([7]);
    headers.Date = "Thu, 01 Jan 1970 00:00:10 GMT"; // A server whose clock is years behind.
    headers["Retry-After"] = "Thu, 01 Jan 1970 00:00:40 GMT";
    clock.pass(19_999);
    await roundTrip();
    expect(gateway.count("/api/v2/config")).toBe(1);
    clock.pass(1);
    await eventually(() => expect(client.connection.read().failures).toBe(2));
    gateway.routes.delete(CONFIG);
    clock.pass(29_999);
    await roundTrip();
    expect(gateway.count("/api/v2/config")).toBe(2);
    clock.pass(1);
    await connected();
  });

  test("no more often than it allows", async () => {
    const clock = new ManualClock();
    gateway.transport = "polling";
    const limited = { error: { code: "rate_limited", message: "too many requests" } };
    gateway.routes.set(SYNC, () => ({ status: 429, body: limited, headers: { "Retry-After": "20" } }));
    start({ environment: { clock } });
    await eventually(() => expect(client.connection.read().problem).toBe("too many requests"));
    clock.pass(19_999);
    await roundTrip();
    expect(gateway.count("/api/v2/events")).toBe(1);
    gateway.routes.delete(SYNC);
    clock.pass(1);
    await eventually(() => expect(client.state).toBe("polling"));
  });
});

describe("a snapshot that is cut off before its end", () => {
  test("moves no cursor and changes nothing; the next one is applied as a whole", async () => {
    start();
    const told = vi.fn();
    client.subscribe(8, { onUpdate: told });
    await eventually(() => expect(gateway.peer.heard("sync")).toHaveLength(1));
    gateway.peer.say(syncBegin("snapshot", "requested"), message(7, null), message(8, "e:5"));
    gateway.peer.socket.close(1011);
    await eventually(() => expect(gateway.peers).toHaveLength(2));
    // It asks for the snapshot again, as nothing was applied.
    expect(gateway.peer.url.searchParams.has("since")).toBe(false);
    await eventually(() => expect(gateway.peer.heard("sync")).toHaveLength(1));
    expect([ids(), client.lastMessage, told.mock.calls.length]).toEqual([[], null, 0]);
    const sizes: number[] = [];
    client.tasks.watch(() => sizes.push(client.tasks.read().size));
    gateway.peer.say(syncBegin("snapshot", "requested"), message(7, null), message(8, "e:5"), syncEnd("snapshot", "e:5"));
    await eventually(() => expect(told).toHaveBeenCalledOnce());
    expect([sizes, ids()]).toEqual([[2], [7, 8]]);
  });

  test("hides no event that the next replay repeats", async () => {
    start();
    await greet(gateway, client, message(7, "e:1"));
    gateway.peer.say(syncBegin("snapshot", "cursor_too_old"), message(7, null), message(8, "e:5"));
    gateway.peer.socket.close(1011);
    await eventually(() => expect(gateway.peers).toHaveLength(2));
    await connected();
    expect(gateway.peer.url.searchParams.get("since")).toBe("e:1");
    gateway.peer.say(syncBegin("replay"), message(8, "e:5"), syncEnd("replay", "e:5"));
    await eventually(() => expect(ids()).toEqual([7, 8]));
  });
});

test("a service that is unavailable behind its gateway is reported while connected", async () => {
  start();
  await greet(gateway, client);
  const available = (): boolean => client.connection.read().serviceAvailable;
  expect(available()).toBe(true);
  gateway.peer.say({ type: "service", available: false });
  await eventually(() => expect(available()).toBe(false));
  expect(client.isConnected).toBe(true);
  gateway.peer.say({ type: "service", available: true });
  await eventually(() => expect(available()).toBe(true));
  gateway.peer.say({ type: "service", available: false });
  await eventually(() => expect(available()).toBe(false));
  const seen: unknown[] = [];
  client.connection.watch(() => seen.push([client.state, available()]));
  gateway.peer.socket.terminate();
  await eventually(() => expect(seen.at(-1)).toEqual(["connected", true]));
  expect(seen).toContainEqual(["reconnecting", true]);
  expect(seen).not.toContainEqual(["reconnecting", false]);
});

describe("listeners", () => {
  const fault = new Error("of the application");
  const throwing = (): never => {
    throw fault;
  };

  test("that throw do not affect the others, the client or its connection", async () => {
    const onHandlerError = vi.fn(throwing);
    const logged = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const others = vi.fn();
    client = clientOf(gateway, { onHandlerError, onTokenRefused: throwing });
    for (const store of [client.connection, client.tasks, client.messages, client.snapshots]) {
      store.watch(throwing);
      store.watch(others);
    }
    client.subscribe(0, { onUpdate: throwing });
    const late = new Error("of an async handler");
    // eslint-disable-next-line @typescript-eslint/no-misused-promises -- applications do it
    client.subscribe(0, { onUpdate: async () => Promise.reject(late) });
    client.subscribe(0, { onUpdate: others });
    client.connect();
    await greet(gateway, client, message(6, "e:1"));
    others.mockClear();
    gateway.peer.say(message(7, "e:2"));
    await eventually(() => expect(others).toHaveBeenCalledTimes(3)); // Messages, tasks, the subscription.
    gateway.peer.socket.close(4001);
    await eventually(() => expect(client.state).toBe("closed"));
    expect(onHandlerError).toHaveBeenCalledWith(fault);
    expect(onHandlerError).toHaveBeenCalledWith(late);
    expect(logged).toHaveBeenCalledWith(fault); // The report threw, too.
  });

  test("that left are not called, not even by a dispatch that is under way", async () => {
    start();
    await greet(gateway, client);
    const left = vi.fn();
    const stops: (() => void)[] = [];
    const leave = (): void => stops.forEach((stop) => stop());
    client.subscribe(7, { onUpdate: leave });
    stops.push(client.subscribe(7, { onUpdate: left }), client.subscribe(0, { onUpdate: left }));
    client.tasks.watch(leave);
    stops.push(client.tasks.watch(left));
    gateway.peer.say(message(7, "e:2"), message(7, "e:3", { progress: 5 }));
    await eventually(() => expect(client.tasks.read().get(7)?.data.progress).toBe(5));
    client.subscribe(8, { onUpdate: () => client.unsubscribeAll() });
    client.subscribe(8, { onUpdate: left });
    gateway.peer.say(message(8, "e:4"));
    await eventually(() => expect(ids()).toEqual([7, 8]));
    expect(left).not.toHaveBeenCalled();
  });
});
