/** The parts of the page, put together once. */
import { ApiError, createClient, type Preset, Store, type TaskDetail, type WhitebgClient } from "@whitebg/client";

import { Session, SignInNeeded } from "../session/session";
import { Uploads } from "./uploads";

/** `refused`: the token that was pasted is not taken, or not any more. */
export type Access = "granted" | "sign-in" | "refused";

export interface World {
  client: WhitebgClient;
  access: Store<Access>;
  uploads: Uploads;
  /** What can be made; empty until the server has told. */
  presets: Store<readonly Preset[]>;
  /** Cancel a task; one that has ended already is shown as it ended. */
  cancel(taskId: number): Promise<TaskDetail>;
  /** Begin; returns how to stop. */
  start(): () => void;
  readonly signIn: (token: string) => void;
}

export function makeWorld(): World {
  const access = new Store<Access>("granted");
  const presets = new Store<readonly Preset[]>([]);
  const session = new Session((current) => client.http.guestToken(current));
  const client = createClient({
    details: true,
    async token() {
      try {
        return await session.token();
      } catch (error) {
        if (error instanceof SignInNeeded && access.read() === "granted") access.set(error.expired ? "refused" : "sign-in");
        throw error;
      }
    },
    onTokenRefused(token) {
      if (session.refuse(token)) access.set("refused");
    },
  });
  const cancel = (taskId: number): Promise<TaskDetail> =>
    client.cancel(taskId).catch((error: unknown) => {
      if (error instanceof ApiError && error.status === 409) return client.refresh(taskId);
      throw error;
    });
  const uploads = new Uploads({
    submit: (photo, options) => client.submit(photo, options),
    cancel,
    newest: () => [...client.tasks.read().keys()].reduce((a, b) => Math.max(a, b), 0),
  });
  const learnPresets = async (): Promise<void> => {
    if (presets.read().length === 0) presets.set(await client.http.presets());
  };
  let wasHeard = false;
  const onConnection = (): void => {
    const { state } = client.connection.read();
    const isHeard = state === "connected" || state === "polling";
    if (isHeard && !wasHeard) {
      uploads.wake();
      learnPresets().catch(() => undefined); // Without them the options say less; the next connection asks again.
    }
    wasHeard = isHeard;
  };
  return {
    client,
    access,
    uploads,
    presets,
    cancel,
    start() {
      const unwatch = client.connection.watch(onConnection);
      window.addEventListener("online", uploads.wake);
      return () => {
        unwatch();
        window.removeEventListener("online", uploads.wake);
      };
    },
    signIn(token) {
      session.use(token);
      client.forget();
      access.set("granted");
    },
  };
}
