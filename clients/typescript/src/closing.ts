/** What to do after a close code: its range is the policy, so codes that are yet unknown are understood too. */
export type ClosePolicy = "stop" | "back-off" | "soon";

/** The token is missing or bad. */
export const TOKEN_REFUSED = 4001;
/** The token expired. The token function is asked before every attempt, so another attempt is the answer. */
const TOKEN_EXPIRED = 4010;

export function policyOf(code: number): ClosePolicy {
  if (code === TOKEN_EXPIRED) return "soon";
  if (code >= 4000 && code < 4100) return "stop";
  if (code >= 4200 && code < 4300) return "soon";
  return "back-off";
}
