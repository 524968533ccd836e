import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { ApiError, type ClientOptions, createClient, type WhitebgClient } from "../src/index.ts";
import { ManualClock } from "./support/clock.ts";
import { detail, FakeGateway, message, syncBegin, syncEnd } from "./support/gateway.ts";
import { eventually } from "./support/start.ts";

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
  await eventually(() => expect(gateway.peer.heard("sync")).toHaveLength(1));
  gateway.peer.say(syncBegin("snapshot", "requested"), ...tasks, syncEnd("snapshot", "e:1"));
  await eventually(() => expect(client.snapshots.read()).toBe(1));
}

const connected = (): Promise<void> => eventually(() => expect(client.state).toBe("connected"));

beforeEach(async () => {
  token.mockReset();
  gateway = await FakeGateway.start();
});
afterEach(async () => {
  client.close();
  await gateway.stop();
});

describe("the first connection", () => {
  test("fetches the newest tasks and those in work, and misses no event after them", async () => {
    const pages: Record<string, unknown> = {
      "limit=2": { tasks: [detail(9), detail(8)], total: 5, cursor: "e:7" },
      "status=pending": { tasks: [detail(3, { status: "pending" })], total: 1, cursor: "e:8" },
      "status=processing": { tasks: [], total: 0, cursor: "e:8" },
    };
    gateway.routes.set("GET /api/v2/tasks", (request) => {
      const page = Object.entries(pages).find(([part]) => request.url?.includes(part))?.[1];
      return { status: 200, body: { skip: 0, limit: 2, next_page_token: "", ...(page as object) } };
    });
    start({ firstTasks: 2 });
    await connected();
    expect(gateway.peer.url.searchParams.get("since")).toBe("e:7");
    expect([...client.tasks.read().keys()].sort()).toEqual([3, 8, 9]);
    expect(client.snapshots.read()).toBe(1);
    gateway.peer.say(message(3, "e:8", { status: "completed", seq: 3, updated_at: "2026-01-08T10:00:05.000Z" }));
    await eventually(() => expect(client.tasks.read().get(3)?.data.status).toBe("completed"));
    expect(gateway.peer.heard("sync")).toEqual([]);
    const listed = gateway.requests.filter((each) => each.includes("/api/v2/tasks")).length;
    gateway.peer.socket.terminate();
    await eventually(() => expect(gateway.peers).toHaveLength(2));
    expect(gateway.requests.filter((each) => each.includes("/api/v2/tasks"))).toHaveLength(listed);
  });

  test("is made while the service is unavailable, and then asks for a snapshot", async () => {
    gateway.routes.set("GET /api/v2/tasks", () => ({ status: 503, body: null }));
    start({ firstTasks: 2 });
    await connected();
    await eventually(() => expect(gateway.peer.heard("sync")).toHaveLength(1));
    gateway.peer.say({ type: "service", available: false });
    await eventually(() => expect(client.connection.read().serviceAvailable).toBe(false));
    expect(gateway.peers).toHaveLength(1);
  });
});

describe("the queue of an operator", () => {
  test("is watched on every connection, and each change is counted", async () => {
    start();
    await greet();
    expect(gateway.peer.heard("watch_queue")).toEqual([]);
    client.watchQueue();
    client.watchQueue();
    await eventually(() => expect(gateway.peer.heard("watch_queue")).toHaveLength(1));
    gateway.peer.say({ type: "queue_changed" });
    await eventually(() => expect(client.queueChanges.read()).toBe(1));
    gateway.peer.socket.terminate();
    await eventually(() => expect(gateway.peers).toHaveLength(2));
    await eventually(() => expect(gateway.peer.heard("watch_queue")).toHaveLength(1));
    gateway.peer.say({ type: "queue_changed" });
    await eventually(() => expect(client.queueChanges.read()).toBe(2));
  });
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
    await eventually(() => expect(one).toHaveBeenCalledTimes(2));
    expect(all).toHaveBeenCalledTimes(2);
    expect(other).not.toHaveBeenCalled();
    expect(client.lastMessage).toEqual(done);
    expect(client.latency().count).toBe(2);
    stop();
    gateway.peer.say(message(9, "e:4", { seq: 4 }));
    await eventually(() => expect(client.tasks.read().has(9)).toBe(true));
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
    await eventually(() => expect(update).toHaveBeenCalledOnce());
    expect(complete).toHaveBeenCalledOnce();
    expect(heard).toHaveBeenCalledTimes(3); // The end once, the progress, and the other task.
    expect(client.tasks.read().get(7)?.data.status).toBe("completed");
  });

  test("it acks, and after a loss resumes by cursor with a token asked anew", async () => {
    start();
    await greet();
    gateway.peer.say(message(7, "e:2", { seq: 2 }));
    await eventually(() => expect(gateway.peer.heard("ack")).toEqual([{ type: "ack", message_id: "e:2" }]));
    const asked = token.mock.calls.length;
    gateway.peer.socket.terminate();
    await eventually(() => expect(gateway.peers).toHaveLength(2));
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
    await eventually(() => expect(gateway.peers).toHaveLength(2));
    await connected();
    expect([...client.tasks.read().keys()]).toEqual([7, 8]);
    gateway.peer.say(message(10, "e:2"));
    await eventually(() => expect([...client.tasks.read().keys()]).toEqual([7, 8, 10]));
    gateway.peer.say(syncBegin("snapshot", "epoch_changed"), message(9, "f:1"), syncEnd("snapshot", "f:1"));
    await eventually(() => expect([...client.tasks.read().keys()]).toEqual([9]));
  });

  test("a deleted task disappears, its follower hears it once, and nothing late brings it back", async () => {
    gateway.routes.set("GET /api/v2/tasks", () => ({
      status: 200,
      body: { tasks: [detail(7, { status: "completed" }), detail(8)], total: 2, skip: 0, limit: 50, cursor: "e:2", next_page_token: "" },
    }));
    start();
    await greet(message(7, null, { status: "completed", seq: 1 }), message(8, "e:1"));
    const [deleted, failed] = [vi.fn(), vi.fn()];
    client.subscribe(7, { onDeleted: deleted, onFailed: failed });
    const gone = message(7, "e:2", { status: "failed", error_code: "deleted", deleted: true, seq: 2 });
    gateway.peer.say(gone, gone, message(7, null, { progress: 90, updated_at: "2026-01-08T10:00:09.000Z" }));
    await eventually(() => expect(client.tasks.read().has(7)).toBe(false));
    await eventually(() => expect(gateway.peer.heard("ack").at(-1)).toEqual({ type: "ack", message_id: "e:2" }));
    await client.list();
    expect([...client.tasks.read().keys()]).toEqual([8]);
    expect(deleted).toHaveBeenCalledOnce();
    expect(failed).not.toHaveBeenCalled();
  });

  test("tasks deleted here disappear at once, and from a snapshot in progress too", async () => {
    gateway.routes.set("POST /api/v2/tasks/delete", () => ({ status: 200, body: { task_ids: [7], missing_task_ids: [9] } }));
    start();
    await greet(message(7, null), message(8, "e:1"));
    const deleted = vi.fn();
    client.subscribe(0, { onDeleted: deleted });
    gateway.peer.say(syncBegin("snapshot", "requested"), message(7, null), message(9, null));
    expect(await client.delete([7, 9])).toEqual({ task_ids: [7], missing_task_ids: [9] });
    expect([...client.tasks.read().keys()]).toEqual([8]);
    gateway.peer.say(message(8, "e:2"), syncEnd("snapshot", "e:2"));
    await eventually(() => expect(client.snapshots.read()).toBe(2));
    expect([...client.tasks.read().keys()]).toEqual([8]);
    gateway.peer.say(message(7, "e:3", { status: "failed", error_code: "deleted", deleted: true, seq: 3 }));
    await eventually(() => expect(deleted).toHaveBeenCalledOnce());
    await expect(client.delete([0])).rejects.toThrow(TypeError);
  });

  test("a decision reaches its own handler, changes only the review, and fetches nothing", async () => {
    const end = { status: "completed", elapsed_time: 4, updated_at: "2026-01-08T10:00:04.000Z" } as const;
    gateway.routes.set("GET /api/v2/tasks/7", () => ({ status: 200, body: detail(7, { ...end, seq: 2, review: "open" }) }));
    start({ details: true });
    await greet();
    const [reviewed, complete] = [vi.fn(), vi.fn()];
    client.subscribe(7, { onReviewed: reviewed, onComplete: complete });
    gateway.peer.say(message(7, "e:2", { ...end, seq: 2, review: "open" }));
    await eventually(() => expect(client.tasks.read().get(7)?.detail?.status).toBe("completed"));
    const requests = gateway.requests.length;
    const decided = { ...end, seq: 3, updated_at: "2026-01-08T11:00:00.000Z", review: "accepted" } as const;
    gateway.peer.say(message(7, "e:3", decided), message(8, "e:4"));
    await eventually(() => expect(client.tasks.read().has(8)).toBe(true));
    expect(complete).toHaveBeenCalledOnce();
    expect(reviewed).toHaveBeenCalledOnce();
    expect(client.tasks.read().get(7)?.data.review).toBe("accepted");
    expect(gateway.requests.slice(requests).filter((each) => each.endsWith("/tasks/7"))).toEqual([]);
  });

  test("the end of a batch is reported once and changes no task", async () => {
    start();
    await greet();
    const [finished, complete] = [vi.fn(), vi.fn()];
    client.subscribe(0, { onBatchFinished: finished, onComplete: complete });
    const counts = { total: 2, pending: 0, processing: 0, completed: 2, failed: 0, timed_out: 0, cancelled: 0 };
    const times = { created_at: "2026-01-08T10:00:00.000Z", finished_at: "2026-01-08T10:00:02.000Z" };
    const batch = { batch_id: "order-17", closed: true, ...times, ...counts };
    const end = message(7, "e:3", { status: "completed", seq: 3, batch });
    gateway.peer.say(message(7, "e:2", { status: "completed", seq: 2 }), end, end, message(8, "e:4"));
    await eventually(() => expect(client.tasks.read().has(8)).toBe(true));
    expect(finished.mock.calls).toEqual([[batch]]);
    expect(complete).toHaveBeenCalledOnce();
    expect(client.tasks.read().get(7)?.data.seq).toBe(3);
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
    await eventually(() => expect(stayed).toHaveBeenCalledOnce());
    expect(left).not.toHaveBeenCalled();
  });

  test("40xx stops, and says why", async () => {
    start();
    await greet();
    gateway.peer.socket.close(4001, "the session was revoked; sign in again");
    await eventually(() => expect(client.state).toBe("closed"));
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
      await eventually(() => expect(gateway.peers.length).toBe(before + 1));
      await connected();
    }
  });

  test("a token that is refused is told back, and then nobody tries on", async () => {
    const onTokenRefused = vi.fn();
    start({ onTokenRefused });
    await greet();
    gateway.peer.socket.close(4001);
    await eventually(() => expect(client.state).toBe("closed"));
    expect(onTokenRefused).toHaveBeenCalledExactlyOnceWith("session");
    expect(gateway.peers).toHaveLength(1);
  });

  test("a session that was ended goes on with another token, if there is one; one that never began does not", async () => {
    const onTokenRefused = vi.fn();
    start({ onTokenRefused, environment: { random: () => 0 } });
    await greet();
    token.mockReturnValue("another");
    gateway.peer.socket.close(4001);
    await eventually(() => expect(gateway.peers).toHaveLength(2));
    await connected();
    expect(gateway.peer.heard("auth")).toEqual([{ type: "auth", token: "another" }]);
    gateway.user = 4001;
    token.mockReturnValue("a third");
    gateway.peer.socket.close(4200);
    await eventually(() => expect(client.state).toBe("closed"));
    expect(gateway.peers).toHaveLength(3);
    expect(onTokenRefused.mock.calls).toEqual([["session"], ["a third"]]);
  });

  test("a token that is not for this is told back, and no socket is tried with it", async () => {
    const body = { error: { code: "scope_missing", message: "the token lacks the scope 'tasks'" } };
    gateway.routes.set("GET /api/v2/config", () => ({ status: 403, body }));
    const onTokenRefused = vi.fn();
    start({ onTokenRefused });
    await eventually(() => expect(client.state).toBe("closed"));
    expect(client.connection.read()).toMatchObject({ problem: "the token lacks the scope 'tasks'", closeCode: 4001 });
    expect(onTokenRefused).toHaveBeenCalledExactlyOnceWith("session");
    expect([gateway.count("/api/v2/config"), gateway.peers.length]).toEqual([1, 0]);
  });

  test("a route of another scope says nothing about the session", async () => {
    const body = { error: { code: "scope_missing", message: "the token lacks the scope 'admin'" } };
    gateway.routes.set("GET /api/v2/admin/overview", () => ({ status: 403, body }));
    const onTokenRefused = vi.fn();
    start({ onTokenRefused });
    await connected();
    await expect(client.http.call("GET", "/api/v2/admin/overview")).rejects.toMatchObject({ code: "scope_missing" });
    expect(onTokenRefused).not.toHaveBeenCalled();
    gateway.routes.set("GET /api/v2/admin/overview", () => ({ status: 401, body }));
    await expect(client.http.call("GET", "/api/v2/admin/overview")).rejects.toMatchObject({ status: 401 });
    expect(onTokenRefused).toHaveBeenCalledExactlyOnceWith("session");
  });

  test("who is sent away before the greeting backs off, whatever the code", async () => {
    const clock = new ManualClock();
    gateway.user = 4010;
    start({ environment: { clock, random: () => 0.5 } });
    await eventually(() => expect(client.connection.read()).toMatchObject({ failures: 1, closeCode: 4010 }));
    clock.pass(499);
    expect(gateway.count("/api/v2/config")).toBe(1);
    clock.pass(1);
    await eventually(() => expect(gateway.count("/api/v2/config")).toBe(2));
  });

  test("what is held of one user is forgotten when the session is another's", async () => {
    start();
    await greet(message(7, "e:1"));
    gateway.user = "ben";
    gateway.peer.socket.terminate();
    await eventually(() => expect(gateway.peers).toHaveLength(3)); // The second greets ben with ann's cursor.
    await eventually(() => expect(gateway.peer.heard("sync")).toHaveLength(1));
    expect(gateway.peers[1]?.url.searchParams.get("since")).toBe("e:1");
    expect(gateway.peer.url.searchParams.has("since")).toBe(false);
    expect(client.tasks.read().size).toBe(0);
  });

  test("to forget is to begin anew, whether it is connected or not", async () => {
    start();
    await greet(message(7, "e:1"));
    client.forget();
    expect(client.tasks.read().size).toBe(0);
    await eventually(() => expect(gateway.peers).toHaveLength(2));
    await connected();
    expect(gateway.peer.url.searchParams.has("since")).toBe(false);
    client.close();
    client.forget();
    expect(client.state).toBe("closed");
  });

  test("a token that expires is renewed on the open socket, and is the one told back if it is refused", async () => {
    const onTokenRefused = vi.fn();
    start({ onTokenRefused });
    await greet();
    token.mockReturnValueOnce("newer");
    gateway.peer.say({ type: "token_expiring", expires_in_seconds: 60 });
    await eventually(() => expect(gateway.peer.heard("auth").at(-1)).toEqual({ type: "auth", token: "newer" }));
    expect(gateway.peers).toHaveLength(1);
    gateway.peer.socket.close(4001);
    await eventually(() => expect(onTokenRefused).toHaveBeenCalledExactlyOnceWith("newer"));
  });

  test("it pings every 30 s, and leaves a server that stays silent for 10 s", async () => {
    const clock = new ManualClock();
    start({ environment: { clock } });
    await eventually(() => expect(client.isConnected).toBe(true));
    clock.pass(30_000);
    await eventually(() => expect(gateway.peer.heard("ping")).toHaveLength(1));
    expect(client.isConnected).toBe(true);
    clock.pass(9_999);
    expect(client.isConnected).toBe(true);
    clock.pass(1);
    expect(client.state).toBe("reconnecting");
  });

  test("when the network is back, an open socket that gives no sign of life is left", async () => {
    const clock = new ManualClock();
    start({ environment: { clock } });
    await eventually(() => expect(client.isConnected).toBe(true));
    client.retryNow();
    await eventually(() => expect(gateway.peer.heard("ping")).toHaveLength(1));
    clock.pass(9_999);
    expect(client.isConnected).toBe(true);
    clock.pass(1);
    expect(client.state).toBe("reconnecting");
  });

  test("closed while it waits to reconnect, it stays closed", async () => {
    const clock = new ManualClock();
    start({ environment: { clock, random: () => 0.5 } });
    await eventually(() => expect(client.isConnected).toBe(true));
    gateway.peer.socket.terminate();
    await eventually(() => expect(client.state).toBe("reconnecting"));
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
    await eventually(() => expect(gateway.count("/api/v2/config")).toBe(2));
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
    await eventually(() => expect(complete).toHaveBeenCalledOnce());
    expect(client.state).toBe("polling");
    gateway.blocked = false;
    await connected();
    expect(gateway.peer.url.searchParams.get("since")).toMatch(/^e:/);
    const polls = gateway.count("/api/v2/events");
    await new Promise((resolve) => setTimeout(resolve, 50)); // Five times the interval.
    expect(gateway.count("/api/v2/events")).toBe(polls);
  });

  test("a gateway that is away is not polled either", async () => {
    gateway.routes.set("GET /api/v2/config", () => ({ status: 503, body: null }));
    start();
    await eventually(() => expect(gateway.count("/api/v2/config")).toBeGreaterThan(5));
    expect(client.connection.read()).toMatchObject({ state: "connecting", problem: expect.stringContaining("503") as string });
    expect(gateway.count("/api/v2/events")).toBe(0);
  });

  test("a gateway that says so is polled, and no socket is tried", async () => {
    gateway.transport = "polling";
    start();
    await eventually(() => expect(gateway.count("/api/v2/events")).toBeGreaterThan(2));
    expect(client.state).toBe("polling");
    expect(gateway.peers).toHaveLength(0);
  });

  test("where there is no WebSocket at all, it polls", async () => {
    start({ environment: { WebSocket: null } });
    await eventually(() => expect(client.state).toBe("polling"));
  });
});

describe("the HTTP API", () => {
  test("a problem says what the gateway said, and a dead server is one too", async () => {
    start();
    const problem = { error: { code: "quota_exceeded", message: "5 tasks run already", details: [] } };
    gateway.routes.set("POST /api/v2/tasks", () => ({ status: 429, body: problem }));
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
    gateway.routes.set("POST /api/v2/tasks", (request) => {
      headers = request.headers;
      return { status: 202, body: { task_id: 5, ...message(5, null, { status: "pending" }).data } };
    });
    const detail = await client.submit(new Blob(["photo"]), { idempotencyKey: "k1", preset: "amazon" });
    expect(detail.task_id).toBe(5);
    expect(headers).toMatchObject({ "idempotency-key": "k1", authorization: "Bearer session" });
    expect(client.tasks.read().get(5)?.detail).toBe(detail);
  });

  test("a call whose token is refused is made once again with another token", async () => {
    const tokens = ["old", "new"];
    const seen: unknown[] = [];
    const onTokenRefused = vi.fn(() => void tokens.shift());
    client = createClient({ baseUrl: gateway.url, token: () => tokens[0] ?? "none", onTokenRefused });
    gateway.routes.set("GET /api/v2/tasks/5", ({ headers: { authorization } }) => {
      seen.push(authorization);
      return authorization === "Bearer old" ? { status: 401, body: null } : { status: 200, body: detail(5) };
    });
    expect((await client.refresh(5)).task_id).toBe(5);
    expect(seen).toEqual(["Bearer old", "Bearer new"]);
    expect(onTokenRefused).toHaveBeenCalledExactlyOnceWith("old");
  });

  test("a call is not made again with the token that was refused", async () => {
    client = createClient({ baseUrl: gateway.url, token });
    gateway.routes.set("GET /api/v2/tasks/5", () => ({ status: 401, body: null }));
    await expect(client.refresh(5)).rejects.toMatchObject({ status: 401, retryable: false });
    expect(gateway.requests).toEqual(["GET /api/v2/tasks/5"]);
  });

  test("that the device is offline is a problem of its own, and so is leaving", async () => {
    let sent: (() => void) | undefined;
    const nowhere = (_: unknown, init?: RequestInit): Promise<Response> =>
      new Promise((_resolve, reject) => {
        sent = () => reject(new TypeError("failed to fetch"));
        init?.signal?.addEventListener("abort", () => reject(init.signal?.reason as Error));
      });
    const environment = { fetch: nowhere, online: () => false };
    client = createClient({ baseUrl: gateway.url, token, environment });
    const submitted = client.submit(new Blob(["photo"]));
    await eventually(() => expect(sent).toBeDefined());
    sent?.();
    await expect(submitted).rejects.toMatchObject({ status: 0, code: "offline", retryable: true });
    const leave = new AbortController();
    sent = undefined;
    const left = client.submit(new Blob(["photo"]), { signal: leave.signal });
    await eventually(() => expect(sent).toBeDefined());
    leave.abort();
    await expect(left).rejects.toMatchObject({ name: "AbortError" });
  });

  test("presets and a cancelled task are as the gateway says, and the task is known at once", async () => {
    client = createClient({ baseUrl: gateway.url, token });
    gateway.routes.set("GET /api/v2/presets", () => ({ status: 200, body: { presets: [{ name: "custom" }] } }));
    expect(await client.http.presets()).toEqual([{ name: "custom" }]);
    const cancelled = detail(5, { status: "failed", error_code: "cancelled" });
    gateway.routes.set("POST /api/v2/tasks/5/cancel", () => ({ status: 200, body: cancelled }));
    await client.cancel(5);
    expect(client.tasks.read().get(5)?.data.error_code).toBe("cancelled");
  });

  test("to try again after no answer came is the same new task; after an answer it is another", async () => {
    const keys: unknown[] = [];
    let answer = { status: 503, body: null as unknown };
    client = createClient({ baseUrl: gateway.url, token });
    gateway.routes.set("POST /api/v2/tasks/5/retry", (request) => {
      keys.push(request.headers["idempotency-key"]);
      return answer;
    });
    await expect(client.retry(5)).rejects.toMatchObject({ status: 503 });
    answer = { status: 202, body: detail(6, { status: "pending" }) };
    await client.retry(5);
    await client.retry(5);
    expect(keys[1]).toBe(keys[0]);
    expect(keys[2]).not.toBe(keys[0]);
    expect(client.tasks.read().has(6)).toBe(true);
  });

  test("an answer that says nothing later still brings its fresh links, and many answers are told as one change", () => {
    client = createClient({ baseUrl: gateway.url, token });
    const done = { status: "completed", result_image_url: "/old" } as const;
    client.learn(detail(5, done), detail(6, done));
    const changed = vi.fn();
    client.tasks.watch(changed);
    client.learn(detail(5, { ...done, result_image_url: "/new" }), detail(6, { ...done, result_image_url: "/new" }));
    expect(changed).toHaveBeenCalledOnce();
    expect([...client.tasks.read().values()].map(({ data }) => data.result_image_url)).toEqual(["/new", "/new"]);
    expect(client.tasks.read().get(5)?.detail?.result_image_url).toBe("/new");
  });
});

describe("details", () => {
  const end = { status: "completed", seq: 3, updated_at: "2026-01-08T10:00:02.000Z" } as const;

  test("are fetched when a task is new and when it has ended, and not in between", async () => {
    let answer = detail(7, { input_image_url: `${gateway.url}/images/7/input` });
    gateway.routes.set("GET /api/v2/tasks/7", () => ({ status: 200, body: answer }));
    start({ details: true });
    await greet();
    gateway.peer.say(message(7, "e:2", { seq: 1 }));
    await eventually(() => expect(client.tasks.read().get(7)?.detail).toEqual(answer));
    answer = { ...answer, ...end };
    gateway.peer.say(message(7, null, { progress: 50, updated_at: "2026-01-08T10:00:01.000Z" }), message(7, "e:3", end));
    await eventually(() => expect(client.tasks.read().get(7)?.detail).toEqual(answer));
    expect(gateway.count("/api/v2/tasks/7")).toBe(2);
  });

  test("are fetched when the server is back, and given up for what is gone", async () => {
    const clock = new ManualClock();
    let answered = 0;
    gateway.routes.set("GET /api/v2/tasks/7", () => ({ status: answered++ === 0 ? 503 : 200, body: detail(7) }));
    start({ details: true, environment: { clock } });
    await greet();
    gateway.peer.say(message(7, "e:2"), message(8, "e:3")); // Nothing is known of 8: 404.
    await eventually(() => expect(gateway.count("/api/v2/tasks/8")).toBe(1));
    await eventually(() => {
      if (answered < 2) clock.pass(2_000);
      expect(client.tasks.read().get(7)?.detail).not.toBeNull();
    });
    expect(gateway.count("/api/v2/tasks/8")).toBe(1);
    expect(gateway.count("/api/v2/tasks/7")).toBe(2);
  });

  test("stay through a snapshot, unless the server was put back to before them", async () => {
    start();
    await greet(message(7, null), message(8, "e:1"));
    client.learn(detail(7), detail(8, end));
    const [stays, back] = [message(7, null, { seq: 1 }), message(8, "f:1", { seq: 1 })];
    gateway.peer.say(syncBegin("snapshot", "epoch_changed"), stays, back, syncEnd("snapshot", "f:1"));
    await eventually(() => expect(client.snapshots.read()).toBe(2));
    expect([...client.tasks.read().values()].map((task) => [task.id, task.detail === null])).toEqual([[7, false], [8, true]]);
  });
});
