/** The reaction to a close code. It depends on the code's range, so unknown codes are handled too. */
export type ClosePolicy = "stop" | "back-off" | "soon";

/** The token is missing or bad. */
export const TOKEN_REFUSED = 4001;
/** The token expired. The token function is called before every attempt, so another attempt is the remedy. */
const TOKEN_EXPIRED = 4010;

export function policyOf(code: number): ClosePolicy {
  if (code === TOKEN_EXPIRED) return "soon";
  if (code >= 4000 && code < 4100) return "stop";
  if (code >= 4200 && code < 4300) return "soon";
  return "back-off";
}

/** Whether the gateway asked to back off (41xx): requests still reach it. */
export function mayPoll(code: number): boolean {
  return code >= 4100 && code < 4200;
}

/** Return the delay in a close reason such as "try again in 37 s", in milliseconds; null if there is none. */
export function retryAfterOf(reason: string): number | null {
  const [, amount, unit] = /\bin (\d+(?:\.\d+)?) (ms|s)\b/.exec(reason) ?? [];
  return amount === undefined ? null : Number(amount) * (unit === "ms" ? 1 : 1_000);
}
