import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { ApiError, type ClientOptions, createClient, type WhitebgClient } from "../src/index.ts";
import { ManualClock } from "./support/clock.ts";
import { FakeGateway, message, syncBegin, syncEnd } from "./support/gateway.ts";

let gateway: FakeGateway;
let client: WhitebgClient;
const token = vi.fn(() => "session");

function start(options: Partial<ClientOptions> = {}): void {
  const { environment, ...others } = options;
  client = createClient({ baseUrl: gateway.url, token, environment: { random: () => 0, ...environment }, ...others });
  client.connect();
}

/** Wait until the gateway has greeted, and answer the first `sync` with these tasks. */
async function greet(...tasks: object[]): Promise<void> {
  await vi.waitFor(() => expect(gateway.peer.heard("sync")).toHaveLength(1));
  gateway.peer.say(syncBegin("snapshot", "requested"), ...tasks, syncEnd("snapshot", "e:1"));
  await vi.waitFor(() => expect(client.snapshots.read()).toBe(1));
}

const connected = (): Promise<void> => vi.waitFor(() => expect(client.state).toBe("connected"));

beforeEach(async () => {
  token.mockClear();
  gateway = await FakeGateway.start();
});
afterEach(async () => {
  client.close();
  await gateway.stop();
});

describe("the WebSocket", () => {
  test("news reach who follows the task, who follows all, and nobody else", async () => {
    start();
    await greet();
    const [one, all, other] = [vi.fn(), vi.fn(), vi.fn()];
    client.subscribe(7, { onUpdate: one, onComplete: one });
    const stop = client.subscribe(0, { onUpdate: all, onComplete: all });
    client.subscribe(8, { onUpdate: other });
    const done = message(7, "e:3", { status: "completed", seq: 3, updated_at: "2026-01-08T10:00:02.000Z" });
    gateway.peer.say(message(7, "e:2", { seq: 2 }), done);
    await vi.waitFor(() => expect(one).toHaveBeenCalledTimes(2));
    expect(all).toHaveBeenCalledTimes(2);
    expect(other).not.toHaveBeenCalled();
    expect(client.lastMessage).toEqual(done);
    expect(client.latency().count).toBe(2);
    stop();
    gateway.peer.say(message(9, "e:4", { seq: 4 }));
    await vi.waitFor(() => expect(client.tasks.read().has(9)).toBe(true));
    expect(all).toHaveBeenCalledTimes(2);
  });

  test("a message that comes again is told once, and progress after the end is not told", async () => {
    start();
    await greet();
    const [update, complete] = [vi.fn(), vi.fn()];
    client.subscribe(0, { onUpdate: update, onComplete: complete });
    const heard = vi.fn();
    client.messages.watch(heard);
    const done = message(7, "e:3", { status: "completed", seq: 3 });
    gateway.peer.say(done, done, message(7, null, { progress: 90, updated_at: "2026-01-08T10:00:09.000Z" }));
    gateway.peer.say(message(8, "e:4"));
    await vi.waitFor(() => expect(update).toHaveBeenCalledOnce());
    expect(complete).toHaveBeenCalledOnce();
    expect(heard).toHaveBeenCalledTimes(3); // The end once, the progress, and the other task.
    expect(client.tasks.read().get(7)?.data.status).toBe("completed");
  });

  test("it acks, and after a loss resumes by cursor with a token asked anew", async () => {
    start();
    await greet();
    gateway.peer.say(message(7, "e:2", { seq: 2 }));
    await vi.waitFor(() => expect(gateway.peer.heard("ack")).toEqual([{ type: "ack", message_id: "e:2" }]));
    const asked = token.mock.calls.length;
    gateway.peer.socket.terminate();
    await vi.waitFor(() => expect(gateway.peers).toHaveLength(2));
    await connected();
    expect(gateway.peer.url.searchParams.get("since")).toBe("e:2");
    expect(gateway.peer.url.searchParams.has("token")).toBe(false);
    expect(gateway.peer.heard("sync")).toHaveLength(0);
    expect(token.mock.calls.length).toBeGreaterThan(asked);
  });

  test("a snapshot voids what was held, but only once it is whole", async () => {
    start();
    await greet(message(7, null), message(8, "e:1"));
    gateway.peer.say(syncBegin("snapshot", "epoch_changed"), message(9, null));
    gateway.peer.socket.close(1011);
    await vi.waitFor(() => expect(gateway.peers).toHaveLength(2));
    await connected();
    expect([...client.tasks.read().keys()]).toEqual([7, 8]);
    gateway.peer.say(message(10, "e:2"));
    await vi.waitFor(() => expect([...client.tasks.read().keys()]).toEqual([7, 8, 10]));
    gateway.peer.say(syncBegin("snapshot", "epoch_changed"), message(9, "f:1"), syncEnd("snapshot", "f:1"));
    await vi.waitFor(() => expect([...client.tasks.read().keys()]).toEqual([9]));
  });

  test("of the first snapshot only those hear who follow the very task", async () => {
    start();
    const [all, one] = [vi.fn(), vi.fn()];
    client.subscribe(0, { onComplete: all });
    client.subscribe(7, { onComplete: one });
    await greet(message(7, null, { status: "completed" }), message(8, "e:1", { status: "completed" }));
    expect(one).toHaveBeenCalledOnce();
    expect(all).not.toHaveBeenCalled();
  });

  test("who comes late is told where the task stands; who left is not", async () => {
    start();
    await greet(message(7, "e:1", { status: "failed", error_code: "timeout" }));
    const [stayed, left] = [vi.fn(), vi.fn()];
    client.subscribe(7, { onFailed: stayed });
    client.subscribe(7, { onFailed: left })();
    await vi.waitFor(() => expect(stayed).toHaveBeenCalledOnce());
    expect(left).not.toHaveBeenCalled();
  });

  test("40xx stops, and says why", async () => {
    start();
    await greet();
    gateway.peer.socket.close(4001, "the session was revoked; sign in again");
    await vi.waitFor(() => expect(client.state).toBe("closed"));
    expect(client.connection.read()).toMatchObject({ closeCode: 4001, problem: "the session was revoked; sign in again" });
    client.connect();
    await connected();
  });

  test("an expired token and a gateway that goes away are reconnected from", async () => {
    start();
    await greet();
    for (const code of [4010, 4200]) {
      const before = gateway.peers.length;
      gateway.peer.socket.close(code);
      await vi.waitFor(() => expect(gateway.peers.length).toBe(before + 1));
      await connected();
    }
  });

  test("a token that expires is renewed on the open socket", async () => {
    start();
    await greet();
    token.mockReturnValueOnce("newer");
    gateway.peer.say({ type: "token_expiring", expires_in_seconds: 60 });
    await vi.waitFor(() => expect(gateway.peer.heard("auth").at(-1)).toEqual({ type: "auth", token: "newer" }));
    expect(gateway.peers).toHaveLength(1);
  });

  test("it pings every 30 s, and leaves a server that stays silent for 10 s", async () => {
    const clock = new ManualClock();
    start({ environment: { clock } });
    await vi.waitFor(() => expect(client.isConnected).toBe(true));
    clock.pass(30_000);
    await vi.waitFor(() => expect(gateway.peer.heard("ping")).toHaveLength(1));
    expect(client.isConnected).toBe(true);
    clock.pass(9_999);
    expect(client.isConnected).toBe(true);
    clock.pass(1);
    expect(client.state).toBe("reconnecting");
  });

  test("closed while it waits to reconnect, it stays closed", async () => {
    const clock = new ManualClock();
    start({ environment: { clock, random: () => 0.5 } });
    await vi.waitFor(() => expect(client.isConnected).toBe(true));
    gateway.peer.socket.terminate();
    await vi.waitFor(() => expect(client.state).toBe("reconnecting"));
    client.close();
    const asked = token.mock.calls.length;
    clock.pass(60_000);
    expect(token.mock.calls.length).toBe(asked);
  });

  test("closing while it connects leaves nothing open", async () => {
    start();
    client.close();
    client.connect();
    client.close();
    expect(client.state).toBe("closed");
    await vi.waitFor(() => expect(gateway.count("/api/v2/config")).toBe(2));
    expect(gateway.peers).toHaveLength(0);
  });
});

describe("without a WebSocket", () => {
  test("it polls while handshakes fail, tells the news, and goes back as soon as one succeeds", async () => {
    gateway.blocked = true;
    const done = message(7, "e:2", { status: "completed" });
    gateway.answers.push(
      { mode: "snapshot", reason: "requested", messages: [], cursor: "e:1", has_more: true },
      { mode: "replay", reason: null, messages: [done], cursor: "e:2", has_more: false },
    );
    start();
    const complete = vi.fn();
    client.subscribe(0, { onComplete: complete });
    await vi.waitFor(() => expect(complete).toHaveBeenCalledOnce());
    expect(client.state).toBe("polling");
    gateway.blocked = false;
    await connected();
    expect(gateway.peer.url.searchParams.get("since")).toMatch(/^e:/);
    const polls = gateway.count("/api/messages/sync");
    await new Promise((resolve) => setTimeout(resolve, 50)); // Five times the interval.
    expect(gateway.count("/api/messages/sync")).toBe(polls);
  });

  test("a gateway that says so is polled, and no socket is tried", async () => {
    gateway.transport = "polling";
    start();
    await vi.waitFor(() => expect(gateway.count("/api/messages/sync")).toBeGreaterThan(2));
    expect(client.state).toBe("polling");
    expect(gateway.peers).toHaveLength(0);
  });

  test("where there is no WebSocket at all, it polls", async () => {
    start({ environment: { WebSocket: null } });
    await vi.waitFor(() => expect(client.state).toBe("polling"));
  });
});

describe("the HTTP API", () => {
  test("a problem says what the gateway said, and a dead server is one too", async () => {
    start();
    const problem = { error: { code: "quota_exceeded", message: "5 tasks run already", details: [] } };
    gateway.routes.set("POST /api/v2/tasks/async", () => ({ status: 429, body: problem }));
    const refused = await client.submit(new Blob(["photo"])).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(ApiError);
    expect(refused).toMatchObject({ status: 429, code: "quota_exceeded", message: "5 tasks run already", retryable: true });
    client.close();
    await gateway.stop();
    await expect(client.http.config()).rejects.toMatchObject({ status: 0, code: "network" });
    gateway = await FakeGateway.start();
  });

  test("a submission carries its key, the token and its options", async () => {
    start();
    let headers: Record<string, unknown> = {};
    gateway.routes.set("POST /api/v2/tasks/async", (request) => {
      headers = request.headers;
      return { status: 202, body: { task_id: 5, ...message(5, null, { status: "pending" }).data } };
    });
    const detail = await client.submit(new Blob(["photo"]), { idempotencyKey: "k1", preset: "amazon" });
    expect(detail.task_id).toBe(5);
    expect(headers).toMatchObject({ "idempotency-key": "k1", authorization: "Bearer session" });
    expect(client.tasks.read().get(5)?.detail).toBe(detail);
  });
});
