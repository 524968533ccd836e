/** The client's external dependencies, so that tests can replace time, randomness and network. */

/** A running timer; opaque. */
export type Timer = unknown;

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  setTimeout(act: () => void, milliseconds: number): Timer;
  clearTimeout(timer: Timer): void;
}

export type WebSocketConstructor = new (url: string | URL, protocols?: string | string[]) => WebSocket;

export interface Environment {
  clock: Clock;
  /** Returns a number from 0 to 1, 1 excluded. */
  random: () => number;
  fetch: typeof fetch;
  /** Null where unavailable: then the client polls. */
  WebSocket: WebSocketConstructor | null;
  /** False only if the device reports that it has no network. */
  online: () => boolean;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  setTimeout: (act, milliseconds) => setTimeout(act, milliseconds),
  clearTimeout: (timer) => clearTimeout(timer as ReturnType<typeof setTimeout>),
};

/** Return the environment of a browser or of Node. */
export function systemEnvironment(): Environment {
  return {
    clock: systemClock,
    random: Math.random,
    fetch: (input, init) => fetch(input, init),
    WebSocket: typeof WebSocket === "undefined" ? null : WebSocket,
    // Node has no navigator, or one without `onLine`.
    online: () => typeof navigator === "undefined" || (navigator as Partial<Navigator>).onLine !== false,
  };
}
