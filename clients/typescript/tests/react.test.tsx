// @vitest-environment jsdom
import { act, cleanup, render, renderHook, waitFor } from "@testing-library/react";
import { type ReactNode, StrictMode } from "react";
import { renderToString } from "react-dom/server";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { WebSocket } from "ws";

import { createClient, type WebSocketConstructor, type WhitebgClient } from "../src/index.ts";
import {
  useConnection,
  useImageGeneration,
  useTask,
  useTaskHistory,
  useWebSocketContext,
  WebSocketProvider,
} from "../src/react/index.ts";
import { data, detail, FakeGateway, message, syncBegin, syncEnd } from "./support/gateway.ts";

let gateway: FakeGateway;
let client: WhitebgClient;

beforeEach(async () => {
  gateway = await FakeGateway.start();
  const environment = { random: () => 0, WebSocket: WebSocket as unknown as WebSocketConstructor };
  client = createClient({ baseUrl: gateway.url, token: () => "session", environment });
  const page = { tasks: [{ task_id: 3, ...data({ status: "completed" }) }], total: 1, skip: 0, limit: 100, cursor: "e:1" };
  gateway.routes.set("GET /api/v2/tasks", () => ({ status: 200, body: page }));
});
afterEach(async () => {
  cleanup();
  client.close();
  await gateway.stop();
});

function Around({ children, enabled = true }: { children?: ReactNode; enabled?: boolean }): ReactNode {
  return (
    <StrictMode>
      <WebSocketProvider client={client} enabled={enabled}>
        {children}
      </WebSocketProvider>
    </StrictMode>
  );
}

async function greet(): Promise<void> {
  await waitFor(() => expect(gateway.peer.heard("sync")).toHaveLength(1));
}

test("one connection under StrictMode, gone with the provider", async () => {
  const { result, unmount } = renderHook(() => useWebSocketContext(), { wrapper: Around });
  await waitFor(() => expect(result.current.isConnected).toBe(true));
  expect(gateway.peers.filter(({ socket }) => socket.readyState === WebSocket.OPEN)).toHaveLength(1);
  unmount();
  await waitFor(() => expect(gateway.peer.socket.readyState).toBe(WebSocket.CLOSED));
});

test("enabled may change", async () => {
  const { rerender } = render(<Around enabled={false} />);
  expect(client.state).toBe("closed");
  expect(gateway.requests).toEqual([]);
  rerender(<Around enabled />);
  await waitFor(() => expect(client.isConnected).toBe(true));
  rerender(<Around enabled={false} />);
  expect(client.state).toBe("closed");
});

test("unmounted while it connects, it connects no more", async () => {
  const { unmount } = render(<Around />);
  unmount();
  await waitFor(() => expect(gateway.count("/api/v2/config")).toBeGreaterThan(0));
  expect(client.state).toBe("closed");
  expect(gateway.peers).toHaveLength(0);
});

test("a task is read and its latest handlers are told", async () => {
  const [first, latest] = [vi.fn(), vi.fn()];
  const { result, rerender } = renderHook(({ onUpdate }) => useTask(7, { onUpdate }), {
    wrapper: Around,
    initialProps: { onUpdate: first },
  });
  await greet();
  rerender({ onUpdate: latest });
  gateway.peer.say(message(7, "e:2", { progress: 40, seq: 2 }));
  await waitFor(() => expect(result.current?.data.progress).toBe(40));
  expect(latest).toHaveBeenCalledOnce();
  expect(first).not.toHaveBeenCalled();
});

test("news of one task render nobody who follows another", async () => {
  const renders = vi.fn();
  renderHook(
    () => {
      renders(useTask(8));
    },
    { wrapper: Around },
  );
  await greet();
  const before = renders.mock.calls.length;
  await act(async () => {
    gateway.peer.say(message(7, "e:2", { seq: 2 }));
    await vi.waitFor(() => expect(client.tasks.read().has(7)).toBe(true));
  });
  expect(renders).toHaveBeenCalledTimes(before);
});

test("the history is fetched at the start and after a snapshot, and messages keep it true", async () => {
  const { result } = renderHook(() => useTaskHistory(), { wrapper: Around });
  await greet();
  await waitFor(() => expect(result.current.tasks.map(({ id }) => id)).toEqual([3]));
  const before = gateway.count("/api/v2/tasks");
  gateway.peer.say(syncBegin("snapshot", "requested"), message(3, "e:1", { status: "completed" }), syncEnd("snapshot", "e:1"));
  await waitFor(() => expect(gateway.count("/api/v2/tasks")).toBe(before + 1));
  gateway.peer.say(message(4, "e:2", { status: "pending", attempt: 0, seq: 2 }));
  await waitFor(() => expect(result.current.tasks.map(({ id }) => id)).toEqual([4, 3]));
  expect(gateway.count("/api/v2/tasks")).toBe(before + 1);
});

test("older pages are fetched one by one, and tasks that only a snapshot told of wait for theirs", async () => {
  const all = [9, 8, 7, 6, 5].map((id) => detail(id, { status: "completed" }));
  const skips: string[] = [];
  gateway.routes.set("GET /api/v2/tasks", ({ url }) => {
    const query = new URL(url ?? "", gateway.url).searchParams;
    const skip = Number(query.get("skip"));
    skips.push(`${skip}+${query.get("limit")}`);
    return { status: 200, body: { tasks: all.slice(skip, skip + 2), total: all.length, skip, limit: 2, cursor: "e:1" } };
  });
  const { result } = renderHook(() => useTaskHistory({ limit: 2 }), { wrapper: Around });
  await greet();
  const told = all.map(({ task_id }) => message(task_id, null, { status: "completed" }));
  gateway.peer.say(syncBegin("snapshot", "requested"), ...told, syncEnd("snapshot", "e:1"));
  await waitFor(() => expect(client.tasks.read().size).toBe(5));
  const ids = (): number[] => result.current.tasks.map(({ id }) => id);
  await waitFor(() => expect([ids(), result.current.isLoading]).toEqual([[9, 8], false]));
  act(() => result.current.loadMore());
  await waitFor(() => expect(ids()).toEqual([9, 8, 7, 6]));
  expect(result.current.hasMore).toBe(true);
  act(() => result.current.loadMore());
  await waitFor(() => expect(ids()).toEqual([9, 8, 7, 6, 5]));
  await waitFor(() => expect(result.current).toMatchObject({ hasMore: false, isLoading: false }));
  expect(skips.slice(-2)).toEqual(["2+2", "4+2"]);
});

test("a history that the server could not give is fetched again by itself", async () => {
  let status = 503;
  gateway.routes.set("GET /api/v2/tasks", () => {
    const page = { tasks: [detail(3)], total: 1, skip: 0, limit: 100, cursor: "e:1" };
    return { status: status === 503 ? ((status = 200), 503) : 200, body: page };
  });
  const { result } = renderHook(() => useTaskHistory(), { wrapper: ({ children }) => <WebSocketProvider client={client} enabled={false}>{children}</WebSocketProvider> });
  await waitFor(() => expect(result.current.error).not.toBeNull());
  await waitFor(() => expect(result.current.tasks.map(({ id }) => id)).toEqual([3]), { timeout: 5_000 });
  expect(result.current.error).toBeNull();
});

test("a photo shows at once, turns into its task, and is undone on an error", async () => {
  let answer = { status: 202, body: { task_id: 5, ...data({ status: "pending", attempt: 0 }) } as unknown };
  gateway.routes.set("POST /api/v2/tasks", () => answer);
  const { result } = renderHook(() => useImageGeneration(), { wrapper: Around });
  let sent: Promise<unknown>;
  act(() => void (sent = result.current.submit(new Blob(["photo"]), { idempotencyKey: "k1" })));
  expect(result.current.pending.map(({ idempotencyKey }) => idempotencyKey)).toEqual(["k1"]);
  await act(() => sent);
  expect(result.current.pending).toEqual([]);
  expect(client.tasks.read().get(5)?.data.status).toBe("pending");

  answer = { status: 413, body: { error: { code: "image_too_large", message: "over 25 MiB" } } };
  await act(async () => {
    await expect(result.current.submit(new Blob(["photo"]))).rejects.toMatchObject({ code: "image_too_large" });
  });
  expect(result.current.pending).toEqual([]);
  expect(result.current.error).toMatchObject({ message: "over 25 MiB" });
});

test("it renders on a server, without a page", () => {
  const Shown = (): ReactNode => `${useConnection().state} ${useTaskHistory().tasks.length}`;
  vi.stubGlobal("location", undefined);
  try {
    const nowhere = createClient({ token: () => "session" });
    expect(renderToString(<WebSocketProvider client={nowhere}><Shown /></WebSocketProvider>)).toBe("closed 0");
  } finally {
    vi.unstubAllGlobals();
  }
});
