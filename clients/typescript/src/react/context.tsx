import { createContext, type ReactNode, useContext, useEffect, useMemo, useSyncExternalStore } from "react";

import type { ConnectionStatus, Readable, TaskMessage, WhitebgClient } from "../index.ts";

const ClientContext = createContext<WhitebgClient | null>(null);

export interface WebSocketProviderProps {
  /** Create it once, outside of rendering. */
  client: WhitebgClient;
  /** False: stay disconnected, such as before sign-in; default: true. */
  enabled?: boolean;
  children?: ReactNode;
}

/** Keeps the client connected while it is mounted and enabled. */
export function WebSocketProvider({ client, enabled = true, children }: WebSocketProviderProps): ReactNode {
  useEffect(() => {
    if (!enabled) return undefined;
    client.connect();
    const online = (): void => client.retryNow();
    window.addEventListener("online", online);
    return () => {
      window.removeEventListener("online", online);
      client.close();
    };
  }, [client, enabled]);
  return <ClientContext.Provider value={client}>{children}</ClientContext.Provider>;
}

/** Return the client of the provider above; an `Error` if there is none. */
export function useWhitebgClient(): WhitebgClient {
  const client = useContext(ClientContext);
  if (client === null) throw new Error("there is no <WebSocketProvider> above this component: put one around it");
  return client;
}

/** Read a store; server-side rendering uses its current value. */
export function useReadable<T>(store: Readable<T>): T {
  return useSyncExternalStore(store.watch, store.read, store.read);
}

export interface WebSocketContextValue extends ConnectionStatus, Pick<WhitebgClient, "subscribe" | "unsubscribeAll"> {
  readonly isConnected: boolean;
  readonly lastMessage: TaskMessage | null;
}

/** Return the connection and the latest message. Renders with every message; `useConnection` renders less often. */
export function useWebSocketContext(): WebSocketContextValue {
  const client = useWhitebgClient();
  const status = useReadable(client.connection);
  const lastMessage = useReadable(client.messages);
  return useMemo(() => {
    const { subscribe, unsubscribeAll } = client;
    return { ...status, isConnected: status.state === "connected", lastMessage, subscribe, unsubscribeAll };
  }, [client, status, lastMessage]);
}

/** Return the state of the connection; renders only when it changes. */
export function useConnection(): ConnectionStatus {
  return useReadable(useWhitebgClient().connection);
}
