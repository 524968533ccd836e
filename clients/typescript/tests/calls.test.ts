import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { HttpClient, type Task, uuid, type WhitebgClient } from "../src/index.ts";
import { ManualClock } from "./support/clock.ts";
import { detail, FakeGateway, message, syncBegin, syncEnd } from "./support/gateway.ts";
import { clientOf, eventually, greet } from "./support/start.ts";

const NOBODY = { status: 0, body: null };
const DETAIL = "GET /api/v2/tasks/5";

let gateway: FakeGateway;
let client: WhitebgClient;

beforeEach(async () => {
  gateway = await FakeGateway.start();
  client = clientOf(gateway);
});
afterEach(async () => {
  vi.unstubAllGlobals();
  client.close();
  await gateway.stop();
});

const CALLS: Record<string, (http: HttpClient, options: { signal?: AbortSignal; timeoutMs?: number }) => Promise<unknown>> = {
  submit: (http, options) => http.submit(new Blob(["photo"]), options),
  list: (http, options) => http.list(options),
  get: (http, options) => http.get(5, options),
  cancel: (http, options) => http.cancel(5, options),
  retry: (http, options) => http.retry(5, "key", options),
  createVersion: (http, options) => http.createVersion(5, options),
  presets: (http, options) => http.presets(options),
  config: (http, options) => http.config(options),
  sync: (http, options) => http.sync(null, options),
  wsToken: (http, options) => http.wsToken(options),
  guestToken: (http, options) => http.guestToken(null, options),
  image: (http, options) => http.image("/images/5/result?sig=x", options),
};

test("a request with keepalive goes on when the page is closed, others end with it", async () => {
  const fetch = vi.fn<typeof globalThis.fetch>(() => Promise.resolve(Response.json(detail(5))));
  const http = new HttpClient({ baseUrl: "http://gateway.test", token: () => "session", fetch });
  await http.delete([5], { keepalive: true });
  await http.delete([5]);
  await http.createVersion(5, { keepalive: true });
  expect(fetch.mock.calls.map(([, init]) => init?.keepalive)).toEqual([true, false, true]);
  expect([...(fetch.mock.calls[2]?.[1]?.body as FormData).keys()]).toEqual(["hints"]);
});

describe.each(Object.entries(CALLS))("%s", (_, call) => {
  const never: typeof fetch = (_url, init) =>
    new Promise((_resolve, reject) => init?.signal?.addEventListener("abort", () => reject(init.signal?.reason as Error)));
  const over = (clock: ManualClock, options = {}): HttpClient =>
    new HttpClient({ baseUrl: "http://gateway.test", token: () => "session", fetch: never, clock, ...options });

  test("rejects at its timeout, and leaves no timer", async () => {
    const clock = new ManualClock();
    const calls = [call(over(clock), {}), call(over(clock, { timeoutMs: 30_000 }), {}), call(over(clock), { timeoutMs: 30_000 })];
    const settled = Promise.allSettled(calls);
    clock.pass(29_999);
    expect(clock.size).toBe(3);
    clock.pass(1_001); // A photo is given a moment more.
    for (const outcome of await settled) {
      expect(outcome).toMatchObject({ status: "rejected", reason: { status: 0, code: "timed_out", retryable: true } });
    }
    expect(clock.size).toBe(0);
  });

  test("is aborted by its signal, before and meanwhile, with the reason given", async () => {
    const clock = new ManualClock();
    const reason = new Error("left the page");
    await expect(call(over(clock), { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const leave = new AbortController();
    const called = call(over(clock), { signal: leave.signal });
    leave.abort(reason);
    await expect(called).rejects.toBe(reason);
    expect(clock.size).toBe(0);
  });

  test("rejects with a passing error where the connection is lost within the response", async () => {
    const server = createServer((request, response) => {
      request.resume();
      response.writeHead(200, { "Content-Type": "application/json", "Content-Length": 100 });
      response.write("{", () => request.socket.destroy());
    });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const lost = call(new HttpClient({ baseUrl, token: () => "session", fetch }), {});
    await expect(lost).rejects.toMatchObject({ status: 0, code: "network", retryable: true });
    await new Promise((done) => server.close(done));
  });
});

test("a timeout covers the body of a response and the token, too", async () => {
  const stalled: typeof fetch = () => Promise.resolve(new Response(new ReadableStream(), { status: 200 }));
  const options = { baseUrl: "http://gateway.test", fetch: stalled, timeoutMs: 20 };
  await expect(new HttpClient({ ...options, token: () => "session" }).get(5)).rejects.toMatchObject({ code: "timed_out" });
  const hanging = new HttpClient({ ...options, token: () => new Promise(() => undefined) });
  await expect(hanging.get(5)).rejects.toMatchObject({ code: "timed_out" });
});

test("a large photo is given the time of a slow link", async () => {
  const clock = new ManualClock();
  const fetch = vi.fn(() => new Promise<Response>(() => undefined));
  const http = new HttpClient({ baseUrl: "http://gateway.test", token: () => "session", fetch, clock });
  const settled = vi.fn();
  http.submit(new Blob([new Uint8Array(3_200_000)])).catch(settled);
  clock.pass(129_999);
  await eventually(() => expect(fetch).toHaveBeenCalledOnce());
  expect(settled).not.toHaveBeenCalled();
  clock.pass(1);
  await eventually(() => expect(settled).toHaveBeenCalledOnce());
});

test.each([-1, 0, 1.5, Number.NaN, Infinity, 2 ** 53, 2 ** 63, "7", "x", null, undefined])("the id %s is rejected before any request", async (value) => {
  const id = value as number;
  const calls = [
    client.http.get(id),
    client.http.cancel(id),
    client.http.retry(id),
    client.http.createVersion(id),
    client.createVersion(id),
    client.cancel(id),
    client.retry(id),
    client.refresh(id),
    client.download(id),
  ];
  for (const outcome of await Promise.allSettled(calls)) {
    expect((outcome as PromiseRejectedResult).reason).toBeInstanceOf(TypeError);
    expect((outcome as PromiseRejectedResult).reason).toMatchObject({ message: expect.stringContaining("invalid task id") as string });
  }
  if (value !== 0) expect(() => client.subscribe(id, {})).toThrow(TypeError); // 0 is all tasks.
  expect(gateway.requests).toEqual([]);
});

test("decisions and archives are requested for valid ids, with what the gateway returns", async () => {
  const decided = { task_ids: [5], unfinished_task_ids: [6], missing_task_ids: [] };
  const fetch = vi.fn<typeof globalThis.fetch>(() => Promise.resolve(Response.json(decided)));
  const http = new HttpClient({ baseUrl: gateway.url, token: () => "t", fetch });
  expect(await http.review([5, 6], "accepted")).toEqual(decided);
  const answer = await http.archive([5, 6], "{market}/{name}");
  expect(await answer.json()).toEqual(decided);
  expect(fetch.mock.calls.map(([url, init]) => [new URL(url as string).pathname, init?.body])).toEqual([
    ["/api/v2/tasks/review", '{"task_ids":[5,6],"review":"accepted"}'],
    ["/api/v2/tasks/archive", '{"task_ids":[5,6],"name":"{market}/{name}"}'],
  ]);
  await expect(http.review([0], "open")).rejects.toThrow(TypeError);
  await expect(http.archive([0])).rejects.toThrow(TypeError);
});

test("in an insecure context, keys are made without randomUUID", async () => {
  const getRandomValues = crypto.getRandomValues.bind(crypto);
  vi.stubGlobal("crypto", { getRandomValues });
  const keys: unknown[] = [];
  const record = (answer: number) => ({ headers }: { headers: Record<string, unknown> }) => {
    keys.push(headers["idempotency-key"]);
    return { status: 202, body: detail(answer) };
  };
  gateway.routes.set("POST /api/v2/tasks", record(5));
  gateway.routes.set("POST /api/v2/tasks/5/retry", record(6));
  await client.submit(new Blob(["photo"]));
  await client.retry(5);
  await client.http.retry(5);
  const many = Array.from({ length: 100 }, uuid);
  for (const key of [...keys, ...many]) expect(key).toMatch(/^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
  expect(new Set([...keys, ...many]).size).toBe(103);
});

describe("new tasks", () => {
  const region = { left: 0.1, top: 0.2, right: 0.5, bottom: 0.75 };
  const hints = [{ kind: "drop", region }] as const;
  /** Return the form of a call, which a transport of our own receives in place of the network. */
  async function formOf(call: (http: HttpClient) => Promise<unknown>): Promise<{ url: string; form: FormData }> {
    const fetch = vi.fn<typeof globalThis.fetch>(() => Promise.resolve(Response.json(detail(6))));
    await call(new HttpClient({ baseUrl: "http://gateway.test", token: () => "session", fetch }));
    const [url, init] = fetch.mock.calls[0] ?? [];
    return { url: url as string, form: init?.body as FormData };
  }

  test("carry mask and hints", async () => {
    const mask = new Blob(["mask"]);
    for (const call of [
      (http: HttpClient) => http.submit(new Blob(["photo"]), { preset: "jd", mask, hints }),
      (http: HttpClient) => http.createVersion(5, { preset: "jd", mask, hints }),
    ]) {
      const { form } = await formOf(call);
      expect(form.get("preset")).toBe("jd");
      expect(await (form.get("mask") as File).text()).toBe("mask");
      expect(JSON.parse(form.get("hints") as string)).toEqual(hints);
    }
  });

  test("of an uploaded photo say nothing that an older gateway does not know", async () => {
    const { form } = await formOf((http) => http.submit(new Blob(["photo"]), { preset: "jd" }));
    expect([...form.keys()]).toEqual(["file", "preset"]);
  });

  test("of several pictures and of a batch name them, and all are known at once", async () => {
    const moreOptions = [{ preset: "taobao" }, { preset: "jd", margin: 0.1 }];
    const { url, form } = await formOf((http) => http.submit(new Blob(["photo"]), { moreOptions, batchId: "order-17" }));
    expect(url).toBe("http://gateway.test/api/v2/tasks?batch_id=order-17");
    const runAt = new Date("2026-12-01T08:00:00Z");
    const { url: later } = await formOf((http) => http.submit(new Blob(["photo"]), { runAt }));
    expect(later).toBe("http://gateway.test/api/v2/tasks?run_at=2026-12-01T08%3A00%3A00.000Z");
    expect(JSON.parse(form.get("more_options") as string)).toEqual(moreOptions);
    const body = { ...detail(5), more_tasks: [detail(6, { result_image_url: "/images/6/result" })] };
    gateway.routes.set("POST /api/v2/tasks", () => ({ status: 202, body }));
    client = clientOf(gateway);
    const answer = await client.submit(new Blob(["photo"]), { moreOptions: [{ preset: "jd" }] });
    expect(answer.more_tasks[0]?.result_image_url).toBe(`${gateway.url}/images/6/result`);
    expect([...client.tasks.read().keys()]).toEqual([5, 6]);
    gateway.routes.set("POST /api/v2/tasks", () => ({ status: 202, body: detail(7) }));
    expect((await client.submit(new Blob(["photo"]))).more_tasks).toEqual([]); // An older gateway.
  });

  test("calls of batches have their paths", async () => {
    const calls: Record<string, (http: HttpClient) => Promise<unknown>> = {
      "GET /api/v2/batches/b~1": (http) => http.batch("b~1"),
      "POST /api/v2/batches/b/close": (http) => http.closeBatch("b"),
      "POST /api/v2/batches/b/cancel": (http) => http.cancelBatch("b"),
      "DELETE /api/v2/batches/b": (http) => http.deleteBatch("b"),
    };
    client = clientOf(gateway);
    for (const [name, call] of Object.entries(calls)) {
      gateway.routes.set(name, () => ({ status: 200, body: { name } }));
      expect(await call(client.http)).toEqual({ name });
    }
  });

  test("of an earlier photo name the earlier task, and are known at once", async () => {
    expect((await formOf((http) => http.createVersion(5))).url).toBe("http://gateway.test/api/v2/tasks/5/versions?drop_mask=false");
    const { url, form } = await formOf((http) => http.createVersion(5, { dropMask: true, size_px: 900 }));
    expect(url).toBe("http://gateway.test/api/v2/tasks/5/versions?drop_mask=true");
    expect([...form.entries()]).toEqual([["size_px", "900"]]);

    gateway.routes.set("POST /api/v2/tasks/5/versions", () => ({ status: 202, body: detail(6, { mask_url: null, source_task_id: 5 }) }));
    expect(await client.createVersion(5)).toMatchObject({ task_id: 6, source_task_id: 5 });
    expect(client.tasks.read().get(6)?.detail?.source_task_id).toBe(5);
  });
});

describe("links", () => {
  const done = { status: "completed", result_image_url: "/images/5/result?sig=x", thumbnail_url: "/images/5/thumbnail", mask_url: "/images/5/mask" } as const;

  test.each(["", "/tools/photos"])("are absolute, and all requests are below %j", async (prefix) => {
    gateway.prefix = prefix;
    client = clientOf(gateway, { details: true });
    gateway.routes.set(DETAIL, () => ({ status: 200, body: detail(5, done) }));
    gateway.routes.set("GET /api/v2/tasks", () => ({ status: 200, body: { tasks: [detail(5, done)], total: 1, skip: 0, limit: 50 } }));
    gateway.answers.push({ mode: "snapshot", reason: null, messages: [message(5, "e:1", { status: "completed", result_image_url: done.result_image_url })], cursor: "e:1", has_more: false });
    const base = `${gateway.url}${prefix}`;
    expect(await client.http.get(5)).toMatchObject({
      result_image_url: `${base}/images/5/result?sig=x`,
      input_image_url: `${base}/images/5/input`,
      thumbnail_url: `${base}/images/5/thumbnail`,
      mask_url: `${base}/images/5/mask`,
    });
    expect((await client.list()).tasks[0]?.thumbnail_url).toBe(`${base}/images/5/thumbnail`);
    expect((await client.http.sync(null)).messages[0]?.data.result_image_url).toBe(`${base}/images/5/result?sig=x`);
    client.connect();
    await greet(gateway, client, message(6, "e:1", { status: "completed", result_image_url: "/images/6/result" }));
    expect(client.tasks.read().get(6)?.data.result_image_url).toBe(`${base}/images/6/result`);
    expect(gateway.requests).not.toContain("outside the prefix");
    expect(gateway.peer.url.pathname).toBe(`${prefix}/ws/notifications`);
  });

  test("that are absolute already stay as they are, and a base may end in a slash", async () => {
    const elsewhere = "https://pictures.example/images/5/result?sig=x";
    gateway.routes.set(DETAIL, () => ({ status: 200, body: detail(5, { ...done, result_image_url: elsewhere }) }));
    client = clientOf(gateway, { baseUrl: `${gateway.url}//` });
    expect(await client.http.get(5)).toMatchObject({ result_image_url: elsewhere, input_image_url: `${gateway.url}/images/5/input` });
  });

  test("are those of the page's origin where there is no base", async () => {
    vi.stubGlobal("location", { href: `${gateway.url}/some/page?x=1#y` });
    gateway.routes.set(DETAIL, () => ({ status: 200, body: detail(5, done) }));
    client = clientOf(gateway, { baseUrl: "" });
    expect((await client.http.get(5)).input_image_url).toBe(`${gateway.url}/images/5/input`);
    gateway.prefix = "/tools";
    client = clientOf(gateway, { baseUrl: "/tools/" });
    expect((await client.http.get(5)).input_image_url).toBe(`${gateway.url}/tools/images/5/input`);
  });
});

describe("download", () => {
  const PICTURE = new Uint8Array([1, 2, 3]);
  const done = { status: "completed", result_image_url: "/images/5/result?sig=new" } as const;
  const picture = (disposition?: string): { status: number; body: unknown; headers: Record<string, string> } => {
    const headers = { "Content-Type": "image/jpeg", "Content-Length": "3" };
    return { status: 200, body: PICTURE, headers: disposition === undefined ? headers : { ...headers, "Content-Disposition": disposition } };
  };

  test("returns a file with the server's name, without a token", async () => {
    const seen: unknown[] = [];
    gateway.routes.set(DETAIL, () => ({ status: 200, body: detail(5, done) }));
    gateway.routes.set("GET /images/5/result", ({ url, headers }) => {
      seen.push(url, headers.authorization);
      return picture(`attachment; filename="_.jpeg"; filename*=UTF-8''%E6%9D%AF%2Fcup-white.jpeg`);
    });
    const file = await client.download(5);
    expect([file.name, file.type, file.size]).toEqual(["cup-white.jpeg", "image/jpeg", 3]);
    expect(new Uint8Array(await file.arrayBuffer())).toEqual(PICTURE);
    expect(seen).toEqual(["/images/5/result?sig=new&download=true", undefined]);
  });

  test("names the file after the photo where the response shows no name, and fetches each image", async () => {
    const links = { thumbnail_url: "/images/5/thumbnail", mask_url: "/images/5/mask" };
    const task = { ...detail(5, { ...done, ...links }), filename: "my.cup.png" };
    const names = ["input", "result", "thumbnail", "mask"] as const;
    for (const image of names) gateway.routes.set(`GET /images/5/${image}`, () => picture());
    const files = await Promise.all(names.map((image) => client.download(task, { image })));
    expect(files.map(({ name }) => name)).toEqual(["my.cup.png", "my.cup-white.jpeg", "my.cup-thumbnail.jpeg", "my.cup-mask.jpeg"]);
    expect(gateway.count(DETAIL)).toBe(0);
  });

  test("replaces an expired link once", async () => {
    const held: Task = { id: 5, data: detail(5, { ...done, result_image_url: "/images/5/result?sig=old" }), detail: null };
    gateway.routes.set(DETAIL, () => ({ status: 200, body: detail(5, done) }));
    gateway.routes.set("GET /images/5/result", ({ url }) => (url?.includes("sig=old") ? { status: 410, body: null } : picture()));
    expect((await client.download(held)).name).toBe("cup-white.jpeg");
    gateway.routes.set("GET /images/5/result", () => ({ status: 410, body: null }));
    await expect(client.download(held)).rejects.toMatchObject({ status: 410 });
    gateway.routes.set("GET /images/5/result", () => ({ status: 503, body: null }));
    await expect(client.download(held)).rejects.toMatchObject({ status: 503 });
  });

  test("of a task without a picture reports its status, and of an unknown one the server's error", async () => {
    gateway.routes.set(DETAIL, () => ({ status: 200, body: detail(5) }));
    await expect(client.download(5)).rejects.toMatchObject({ status: 409, code: "no_image", message: "task 5 has no result: its status is processing" });
    await expect(client.download(6)).rejects.toMatchObject({ status: 404 });
  });

  test("can be aborted", async () => {
    gateway.routes.set(DETAIL, () => ({ status: 200, body: detail(5, done) }));
    gateway.routes.set("GET /images/5/result", () => NOBODY);
    const leave = new AbortController();
    const downloaded = client.download(5, { signal: leave.signal });
    await eventually(() => expect(gateway.count("/images/5/result")).toBe(1));
    leave.abort();
    await expect(downloaded).rejects.toMatchObject({ name: "AbortError" });
  });
});

describe("forget", () => {
  const discarded = { status: 0, code: "discarded", retryable: true };

  test("discards the responses of calls under way, and does not make them again as the next user", async () => {
    let user = "ann";
    const seen: unknown[] = [];
    const release: (() => void)[] = [];
    // Responses that arrive late even though their request was aborted.
    const late: typeof fetch = async (url, init) => {
      seen.push(new Headers(init?.headers).get("Authorization"));
      const answer = await fetch(url, { ...init, signal: null });
      await new Promise<void>((resolve) => release.push(resolve));
      return answer;
    };
    client = clientOf(gateway, { token: () => user, environment: { fetch: late } });
    gateway.routes.set(DETAIL, () => ({ status: 200, body: detail(5) }));
    gateway.routes.set("POST /api/v2/tasks", () => ({ status: 401, body: null }));
    gateway.routes.set("GET /api/v2/tasks", () => ({ status: 200, body: { tasks: [detail(6)], total: 1, skip: 0, limit: 50 } }));
    const calls = [client.refresh(5), client.submit(new Blob(["photo"])), client.list()];
    await eventually(() => expect(release).toHaveLength(3));
    user = "ben";
    client.forget();
    release.forEach((act) => act());
    for (const outcome of await Promise.allSettled(calls)) expect(outcome).toMatchObject({ status: "rejected", reason: discarded });
    await new Promise((resolve) => setTimeout(resolve));
    expect(client.tasks.read().size).toBe(0);
    expect(seen).toEqual(["Bearer ann", "Bearer ann", "Bearer ann"]);
  });

  test("discards a response that has arrived, but was not applied yet", async () => {
    const body = JSON.stringify(detail(5));
    client = clientOf(gateway, { environment: { fetch: () => Promise.resolve(new Response(body)) } });
    // As many turns of the microtask queue as it takes: at each of them, `forget` comes in between.
    for (let turns = 0; turns < 40; turns += 1) {
      const refreshed = client.refresh(5).then(() => "applied", () => "discarded");
      for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
      const applied = client.tasks.read().has(5);
      client.forget();
      const outcome = await refreshed;
      expect(client.tasks.read().size).toBe(0);
      if (!applied) expect(outcome).toBe("discarded");
    }
  });

  test("discards details and polls under way, and wants no details of the previous user", async () => {
    let hanging = true;
    gateway.routes.set(DETAIL, () => (hanging ? NOBODY : { status: 200, body: detail(5) }));
    client = clientOf(gateway, { details: true });
    client.connect();
    await greet(gateway, client);
    gateway.peer.say(message(5, "e:2"));
    await eventually(() => expect(gateway.count(DETAIL)).toBe(1));
    hanging = false;
    gateway.user = "ben";
    gateway.peer.socket.terminate();
    await eventually(() => expect(gateway.peers).toHaveLength(3));
    await greet(gateway, client);
    expect(client.lastMessage).toBeNull();
    expect([client.tasks.read().size, gateway.count(DETAIL)]).toEqual([0, 1]);
  });

  test("called by a handler, ends the dispatch that is under way", async () => {
    client.connect();
    const known: number[] = [];
    await greet(gateway, client);
    client.subscribe(0, {
      onUpdate: ({ id }) => {
        known.push(id);
        client.forget();
      },
    });
    gateway.peer.say(syncBegin("snapshot", "epoch_changed"), message(7, null), message(8, "f:1"), syncEnd("snapshot", "f:1"));
    await eventually(() => expect(known).toEqual([7]));
    expect(client.tasks.read().size).toBe(0);
  });
});
