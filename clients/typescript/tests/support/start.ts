import { vi } from "vitest";

import { type ClientOptions, createClient, type WhitebgClient } from "../../src/index.ts";
import { type FakeGateway, syncBegin, syncEnd } from "./gateway.ts";

/** Wait until `act` no longer throws; long enough for a loaded machine. */
export function eventually<T>(act: () => T | Promise<T>): Promise<T> {
  return vi.waitFor(act, { timeout: 9_000, interval: 10 });
}

/** Return a client of the gateway whose backoff is 0. */
export function clientOf(gateway: FakeGateway, options: Partial<ClientOptions> = {}): WhitebgClient {
  const { environment, ...others } = options;
  const baseUrl = gateway.url + gateway.prefix;
  return createClient({ baseUrl, token: () => "session", environment: { random: () => 0, ...environment }, ...others });
}

/** Wait until the latest socket asks for its first snapshot, and answer with these tasks. */
export async function greet(gateway: FakeGateway, client: WhitebgClient, ...tasks: object[]): Promise<void> {
  const before = client.snapshots.read();
  await eventually(() => {
    if (gateway.peer.heard("sync").length !== 1) throw new Error("no sync yet");
  });
  gateway.peer.say(syncBegin("snapshot", "requested"), ...tasks, syncEnd("snapshot", "e:1"));
  await eventually(() => {
    if (client.snapshots.read() !== before + 1) throw new Error("no snapshot yet");
  });
}
