/** The parts of the page, put together once. */
import { Gateway } from "../api/gateway";
import { Live } from "../live/live";
import { type Session, SignInNeeded } from "../session/session";
import { Store } from "./store";
import { Tasks } from "./tasks";
import { Uploads } from "./uploads";

const RELOAD_MS = 2_000;

export type Access = "granted" | "sign-in";

class AccessStore extends Store<Access> {
  become(access: Access): void {
    if (access !== this.value) this.set(access);
  }
}

export interface World {
  access: Store<Access>;
  gateway: Gateway;
  live: Live;
  tasks: Tasks;
  uploads: Uploads;
  start(): void;
  stop(): void;
  signIn: (token: string) => void;
}

export function makeWorld(session: Session): World {
  const access = new AccessStore("granted");
  const token = async (): Promise<string> => {
    try {
      const token = await session.token();
      access.become("granted");
      return token;
    } catch (error) {
      if (error instanceof SignInNeeded) access.become("sign-in");
      throw error;
    }
  };
  const gateway = new Gateway(token, (refused) => session.refuse(refused));
  const tasks = new Tasks(gateway);
  const uploads = new Uploads(gateway, (task) => tasks.add(task));
  const live = new Live(gateway, token, {
    message: (message) => tasks.apply(message),
    snapshot: () => void load(),
  });
  let reload: ReturnType<typeof setTimeout> | undefined;
  const load = async (): Promise<void> => {
    clearTimeout(reload);
    try {
      await tasks.load();
    } catch {
      reload = setTimeout(() => void load(), RELOAD_MS); // The service is away; the gateway said so.
    }
  };
  let wasConnected = false;
  live.subscribe(() => {
    const connected = live.read() === "connected" || live.read() === "polling";
    if (connected && !wasConnected) uploads.wake();
    wasConnected = connected;
  });
  const start = () => {
    live.start();
    window.addEventListener("online", uploads.wake);
  };
  const stop = () => {
    clearTimeout(reload);
    live.stop();
    window.removeEventListener("online", uploads.wake);
  };
  return {
    access,
    gateway,
    live,
    tasks,
    uploads,
    start,
    stop,
    signIn(token) {
      session.use(token);
      stop();
      start();
    },
  };
}
