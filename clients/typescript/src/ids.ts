/**
 * Return a task's id; a `TypeError` if it is invalid. Ids are whole numbers from 1; above 2^53 - 1 a JavaScript number
 * is not exact and would identify another task.
 */
export function checkedId(taskId: unknown): number {
  if (Number.isSafeInteger(taskId) && (taskId as number) > 0) return taskId as number;
  const shown = typeof taskId === "string" ? JSON.stringify(taskId) : String(taskId);
  throw new TypeError(`invalid task id ${shown}: pass a whole number from 1 to ${Number.MAX_SAFE_INTEGER}`);
}

/** Return a random UUID; also in insecure contexts (plain http on a LAN address), where `randomUUID` is missing. */
export function uuid(): string {
  if (typeof (crypto as Partial<Crypto>).randomUUID === "function") return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  // Version 4, variant 1 (RFC 9562).
  const hex = [...bytes].map((byte, at) => (at === 6 ? (byte & 0x0f) | 0x40 : at === 8 ? (byte & 0x3f) | 0x80 : byte));
  const text = hex.map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return text.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
