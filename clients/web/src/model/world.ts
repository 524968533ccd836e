/** Assembles the parts of the page. */
import { ApiError, createClient, type EngineInfo, type Preset, Store, type TaskDetail, type WhitebgClient } from "@whitebg/client";

import { loginUrl, readArrival, type SignInProblem } from "../session/arrival";
import { type Account, Session, SignInNeeded } from "../session/session";
import { Decisions, type SendReview, sendStored } from "./decisions";
import { Rejections } from "./rejections";
import { newestOf, Uploads } from "./uploads";

/** `refused`: the gateway rejected the token, or it has expired. */
export type Access = "granted" | "sign-in" | "refused";

export interface Issuer {
  name: string;
  /** Return the address at which a person signs in; `again` lets them choose another account. */
  href(again: boolean): string;
}

export interface World {
  client: WhitebgClient;
  access: Store<Access>;
  uploads: Uploads;
  rejections: Rejections;
  decisions: Decisions;
  /** The latest error of an action without a caller; null if there is none, or it was dismissed. */
  trouble: Store<unknown>;
  /** The person who has signed in, and can sign out; null for a guest. */
  account: Store<Account | null>;
  /** Where people sign in; null if nowhere, or until the server has responded. */
  issuer: Store<Issuer | null>;
  /** Why the latest sign-in or sign-out did not succeed; null once it was read. */
  signInProblem: Store<SignInProblem | null>;
  /** Available presets; empty until the server has responded. */
  presets: Store<readonly Preset[]>;
  engines: Store<readonly EngineInfo[]>;
  /** Cancel a task, or refresh one that has ended already. */
  cancel(taskId: number): Promise<TaskDetail>;
  /** Start; returns the function that stops. */
  start(): () => void;
  readonly signIn: (token: string) => void;
  readonly signOut: () => void;
}

export function makeWorld(): World {
  const access = new Store<Access>("granted");
  const presets = new Store<readonly Preset[]>([]);
  const engines = new Store<readonly EngineInfo[]>([]);
  const account = new Store<Account | null>(null);
  const issuer = new Store<Issuer | null>(null);
  const signInProblem = new Store<SignInProblem | null>(null);
  const session = new Session(
    (current) => client.http.guestToken(current),
    () => client.http.serverTime(),
  );
  const client = createClient({
    details: true,
    firstTasks: 100,
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
  const trouble = new Store<unknown>(null);
  const review: SendReview = (taskIds, decision) => client.http.review(taskIds, decision);
  const decisions = new Decisions(review, client.tasks, (error) => trouble.set(error));
  const uploads = new Uploads({
    submit: (photo, options) => client.submit(photo, options),
    createVersion: (taskId, options) => client.createVersion(taskId, options),
    closeBatch: (batch) => client.http.closeBatch(batch),
    cancel,
    newest: () => newestOf(client.tasks.read()),
  });
  const rejections = new Rejections(uploads, client.tasks, localStorage);
  const learnPresets = async (): Promise<void> => {
    if (presets.read().length === 0) presets.set(await client.http.presets());
    engines.set(await client.http.engines()); // Again with each connection: the service may have been restarted with others.
  };
  /** Continue with a token of this page or another tab; for another user, discard the previous user's data. */
  const signedIn = (isAnother: boolean, isNew = isAnother): void => {
    if (isAnother) {
      rejections.clear();
      uploads.clear();
      decisions.clear();
    }
    if (isNew) client.forget();
    account.set(session.account);
    access.set("granted");
  };
  const learnIssuer = async (): Promise<void> => {
    const found = (await client.http.signInOptions()).issuer;
    if (found === null) return;
    issuer.set({ name: found.name, href: (again) => loginUrl(found.login_url, location.pathname + location.search, again) });
  };
  /** End the session everywhere, then at the issuer, which leads back to this page. */
  const endSession = async (token: string): Promise<void> => {
    try {
      const next = await client.http.endSession(token);
      if (next !== null) location.assign(next);
    } catch (error) {
      // A token that is not accepted any more has no session to end.
      if (!(error instanceof ApiError && error.tokenRefused)) signInProblem.set("sign_out_unconfirmed");
    }
  };
  let wasHeard = false;
  const onConnection = (): void => {
    const { state } = client.connection.read();
    const isHeard = state === "connected" || state === "polling";
    if (isHeard && !wasHeard) {
      uploads.wake();
      sendStored(localStorage, review).catch(() => undefined); // The next connection sends them.
      learnPresets().catch(() => undefined); // The options work without them; the next connection requests them again.
    }
    wasHeard = isHeard;
  };
  return {
    client,
    access,
    uploads,
    rejections,
    decisions,
    trouble,
    account,
    issuer,
    signInProblem,
    presets,
    engines,
    cancel,
    start() {
      const arrival = takeArrival();
      if (arrival.token !== null) signedIn(session.use(arrival.token), true);
      if (arrival.problem !== null) signInProblem.set(arrival.problem);
      account.set(session.account);
      learnIssuer().catch(() => undefined); // Without it, a token can be pasted; a reload asks again.
      const unwatchTasks = client.tasks.watch(() => {
        decisions.settle();
        rejections.settle();
      });
      const unwatchSnapshots = client.snapshots.watch(() => {
        decisions.settle(true);
        rejections.restore(session.user);
      });
      const unwatchUploads = uploads.watch(rejections.record);
      const unwatch = client.connection.watch(onConnection);
      const unwatchSession = session.watch((isAnother) => signedIn(isAnother));
      window.addEventListener("online", uploads.wake);
      window.addEventListener("pagehide", rejections.recordUnsent);
      window.addEventListener("pageshow", rejections.record);
      return () => {
        unwatch();
        unwatchTasks();
        unwatchSnapshots();
        unwatchUploads();
        unwatchSession();
        window.removeEventListener("online", uploads.wake);
        window.removeEventListener("pagehide", rejections.recordUnsent);
        window.removeEventListener("pageshow", rejections.record);
      };
    },
    signIn(token) {
      signInProblem.set(null);
      signedIn(session.use(token), true);
    },
    signOut() {
      const token = session.signOut();
      signedIn(true);
      if (token !== null) void endSession(token);
    },
  };
}

/** Read the address's fragment; remove a token or problem from the address and the history. */
function takeArrival(): ReturnType<typeof readArrival> {
  const arrival = readArrival(location.hash);
  if (arrival.token !== null || arrival.problem !== null) {
    history.replaceState(null, "", location.pathname + location.search);
  }
  return arrival;
}
