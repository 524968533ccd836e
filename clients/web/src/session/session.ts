/**
 * The session of the page. On the local machine the gateway issues guest tokens; elsewhere a token is pasted once.
 *
 * Tabs share one session through localStorage. Expiry is compared with server time only: the device's clock may be off.
 */
import { ApiError, type GuestToken } from "@whitebg/client";

const STORED = "whitebg.session";
/** The guest session that a pasted token replaced. */
const STORED_GUEST = "whitebg.guest";
/** A token with less time left than this is renewed before it is used. */
const MARGIN_MS = 90_000;
/** Pause after a renewal that failed although the token is still valid. */
const RENEWAL_PAUSE_MS = 60_000;

/** How long to wait for another tab that is renewing the session. */
const LOCK_MS = 10_000;

/** All guests of one browser count as one user, even where the gateway replaces one by another. */
const GUEST = "guest";

export interface Account {
  name: string;
}

interface Stored {
  token: string;
  /** Milliseconds since 1970, server time. */
  expiresAt: number;
  guest: boolean;
  /** Server time from which a guest's token is renewed: half of its lifetime. Absent in sessions of older pages. */
  renewAt?: number;
}

/** No user is signed in, and a guest token is not available: the user has to sign in. */
export class SignInNeeded extends Error {
  /** `expired`: there was a token, and it has expired. */
  constructor(readonly expired: boolean) {
    super("a token is needed");
  }
}

export class Session {
  /** User of the latest token; null before the first. */
  #user: string | null = null;
  #renewing: Promise<string> | null = null;
  /** Whether the gateway has reported that it issues no guest tokens. */
  #guestless = false;
  /** On the monotonic clock. */
  #nextRenewal = 0;

  /**
   * `guestToken` issues a guest token; with a guest token that is still valid, the guest stays the same.
   * `serverTime` returns milliseconds since 1970, null while unknown. `locks` is null in insecure contexts (plain
   * http on a LAN address).
   */
  constructor(
    private readonly guestToken: (current: string | null) => Promise<GuestToken>,
    private readonly serverTime: () => number | null,
    private readonly locks: LockManager | null = (navigator as Partial<Navigator>).locks ?? null,
  ) {}

  /** Return a token that is valid for a while. `SignInNeeded` if only a person can provide one. */
  async token(): Promise<string> {
    const stored = read();
    // While server time is unknown, the gateway decides: it rejects an expired token, and `refuse` drops it.
    if (stored !== null && this.#left(stored) > MARGIN_MS) {
      this.#user ??= userOf(stored);
      this.#renewEarly(stored);
      return stored.token;
    }
    if (stored === null && this.#guestless) throw new SignInNeeded(false);
    // Callers that arrive during a renewal share its request and outcome.
    this.#renewing ??= this.#alone(() => this.#renew()).finally(() => (this.#renewing = null));
    return this.#renewing;
  }

  /** Drop a pasted token, in all tabs, and return it. The guest that it replaced, if any, is signed in again. */
  signOut(): string | null {
    const dropped = read();
    const guest = localStorage.getItem(STORED_GUEST);
    localStorage.removeItem(STORED_GUEST);
    if (guest === null) localStorage.removeItem(STORED);
    else localStorage.setItem(STORED, guest);
    const stored = read();
    this.#user = stored === null ? null : userOf(stored);
    return dropped?.token ?? null;
  }

  /** The person who signed in, and can sign out; the name is empty if the token has none. Null for a guest. */
  get account(): Account | null {
    const stored = read();
    if (stored === null || stored.guest) return null;
    const { name } = claimsOf(stored.token);
    return { name: typeof name === "string" ? name : "" };
  }

  /** The user of the latest token; null before the first, or if it names none. */
  get user(): string | null {
    return this.#user;
  }

  /** Use a token that a person pasted; return whether it is another user's than the latest one. */
  use(token: string): boolean {
    const stored = { token, expiresAt: expiryOf(token), guest: false };
    const before = read();
    if (before?.guest === true) localStorage.setItem(STORED_GUEST, JSON.stringify(before));
    write(stored);
    return this.#changes(stored);
  }

  /** Report each token that another tab stores, and whether it is another user's; until the returned function is called. */
  watch(listener: (isAnother: boolean) => void): () => void {
    const onStorage = ({ key }: StorageEvent): void => {
      const stored = key === STORED ? read() : null;
      if (stored !== null) listener(this.#changes(stored));
    };
    window.addEventListener("storage", onStorage);
    return () => window.removeEventListener("storage", onStorage);
  }

  /**
   * Drop a token that the gateway rejected; a different one, stored by another tab, stays. Returns whether only a
   * person can provide the next one.
   */
  refuse(token: string): boolean {
    const stored = read();
    if (stored?.token !== token) return false;
    localStorage.removeItem(STORED);
    return !stored.guest;
  }

  /**
   * Renew in one tab at a time, so that two new tabs don't become two guests.
   *
   * Without locks, or when another tab holds the lock for too long, tabs may renew at the same time. That is correct
   * too, only wasteful: tokens of one guest are all valid, and of two new guests `#renew` uses the one stored first.
   */
  async #alone(renew: () => Promise<string>): Promise<string> {
    if (this.locks === null) return renew();
    const signal = AbortSignal.timeout(LOCK_MS);
    try {
      return await this.locks.request("whitebg.session", { signal }, renew);
    } catch (error) {
      if (error !== signal.reason) throw error;
      return renew();
    }
  }

  /** Renew a guest's token from half of its lifetime, while it is still in use: a visitor of any day stays the same. */
  #renewEarly({ guest, renewAt, token }: Stored): void {
    const now = this.serverTime();
    if (!guest || now === null || now < (renewAt ?? 0) || performance.now() < this.#nextRenewal) return;
    this.#nextRenewal = performance.now() + RENEWAL_PAUSE_MS;
    this.#renewing ??= this.#alone(() => this.#renew(token)).finally(() => (this.#renewing = null));
    this.#renewing.catch(() => undefined); // The token is still valid; a later call tries again.
  }

  /** Record the user of a token; return whether the user has changed. An unreadable token keeps the previous user. */
  #changes(stored: Stored): boolean {
    const before = this.#user;
    this.#user = userOf(stored) ?? before;
    return before !== null && this.#user !== before;
  }

  /** Return the next token. `early`: replace this one, which is still valid. */
  async #renew(early: string | null = null): Promise<string> {
    const stored = read();
    const left = stored === null ? 0 : this.#left(stored);
    if (stored !== null && left > MARGIN_MS && stored.token !== early) return stored.token;
    if (stored !== null && !stored.guest) {
      if (left > 0) return stored.token;
      localStorage.removeItem(STORED);
      throw new SignInNeeded(true);
    }
    const guest = await this.#guest(stored?.token ?? null);
    const other = read();
    if (other !== null && other.token !== stored?.token) return other.token;
    const expiresAt = Date.parse(guest.expires_at);
    const now = this.serverTime();
    write({ token: guest.token, expiresAt, guest: true, ...(now === null ? {} : { renewAt: (now + expiresAt) / 2 }) });
    this.#user ??= GUEST;
    return guest.token;
  }

  async #guest(current: string | null): Promise<GuestToken> {
    try {
      return await this.guestToken(current);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.status === 404) {
        this.#guestless = true;
        throw new SignInNeeded(false);
      }
      if (current !== null && (error.status === 401 || error.status === 403)) return this.#guest(null);
      throw error;
    }
  }

  /** Return the milliseconds until a token expires; infinite while server time is unknown. */
  #left({ expiresAt }: Stored): number {
    const now = this.serverTime();
    return now === null ? Infinity : expiresAt - now;
  }
}

function read(): Stored | null {
  try {
    const stored = JSON.parse(localStorage.getItem(STORED) ?? "null") as Stored | null;
    return stored !== null && typeof stored.token === "string" && typeof stored.expiresAt === "number" ? stored : null;
  } catch {
    return null;
  }
}

function write(stored: Stored): void {
  localStorage.setItem(STORED, JSON.stringify(stored));
}

/** Return the expiry of a JWT in milliseconds since 1970; an unreadable one is used until the gateway rejects it. */
function expiryOf(token: string): number {
  const { exp } = claimsOf(token);
  return typeof exp === "number" ? exp * 1000 : Number.MAX_SAFE_INTEGER;
}

function userOf({ token, guest }: Stored): string | null {
  if (guest) return GUEST;
  const { sub } = claimsOf(token);
  return typeof sub === "string" ? sub : null;
}

function claimsOf(token: string): { exp?: unknown; name?: unknown; sub?: unknown } {
  try {
    const payload = (token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/");
    return Object(JSON.parse(atob(payload))) as object;
  } catch {
    return {};
  }
}
