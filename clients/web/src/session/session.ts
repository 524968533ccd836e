/**
 * Who is at the page. On one's own machine the gateway makes guests; elsewhere a token is pasted once.
 *
 * Tabs share one session through localStorage, and a lock keeps two new tabs from making two guests.
 */
import { ApiError, type GuestToken } from "@whitebg/client";

const STORED = "whitebg.session";
/** A token with less time left than this is renewed before it is used. */
const MARGIN_MS = 90_000;

interface Stored {
  token: string;
  expiresAt: number;
  guest: boolean;
}

/** Nobody is signed in, and only a person can change that. */
export class SignInNeeded extends Error {
  /** `expired`: there was a token, which has come to its end. */
  constructor(readonly expired: boolean) {
    super("a token is needed");
  }
}

export class Session {
  /** `guestToken` makes a guest, or with a guest's token that is still good renews it. */
  constructor(private readonly guestToken: (current: string | null) => Promise<GuestToken>) {}

  /** Return a token that is good for a while. `SignInNeeded` if there is none to be had. */
  async token(): Promise<string> {
    const stored = read();
    if (stored !== null && stored.expiresAt - Date.now() > MARGIN_MS) return stored.token;
    return navigator.locks.request("whitebg.session", () => this.#renew());
  }

  /** Take a token that a person pasted. */
  use(token: string): void {
    write({ token, expiresAt: expiryOf(token), guest: false });
  }

  /**
   * Drop a token that the gateway refused; another that a second tab has put in its place stays. Returns whether only
   * a person can give the next one.
   */
  refuse(token: string): boolean {
    const stored = read();
    if (stored?.token !== token) return false;
    localStorage.removeItem(STORED);
    return !stored.guest;
  }

  async #renew(): Promise<string> {
    const stored = read();
    const left = stored === null ? 0 : stored.expiresAt - Date.now();
    if (stored !== null && left > MARGIN_MS) return stored.token;
    if (stored !== null && !stored.guest) {
      if (left > 0) return stored.token;
      localStorage.removeItem(STORED);
      throw new SignInNeeded(true);
    }
    const guest = await this.#guest(stored !== null && left > 0 ? stored.token : null);
    write({ token: guest.token, expiresAt: Date.parse(guest.expires_at), guest: true });
    return guest.token;
  }

  async #guest(current: string | null): Promise<GuestToken> {
    try {
      return await this.guestToken(current);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.status === 404) throw new SignInNeeded(false);
      if (current !== null && (error.status === 401 || error.status === 403)) return this.#guest(null);
      throw error;
    }
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

/** Read when a JWT ends, in ms; one that can't be read counts as good until the gateway refuses it. */
function expiryOf(token: string): number {
  try {
    const payload = (token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/");
    return (JSON.parse(atob(payload)) as { exp: number }).exp * 1000;
  } catch {
    return Number.MAX_SAFE_INTEGER;
  }
}
