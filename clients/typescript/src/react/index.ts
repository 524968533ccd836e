export {
  useConnection,
  useReadable,
  useWebSocketContext,
  useWhitebgClient,
  WebSocketProvider,
  type WebSocketContextValue,
  type WebSocketProviderProps,
} from "./context.tsx";
export { type ImageGeneration, type OptimisticTask, useImageGeneration } from "./useImageGeneration.ts";
export { useTask } from "./useTask.ts";
export { type TaskHistory, useTaskHistory } from "./useTaskHistory.ts";
