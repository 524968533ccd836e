/** The parameters that the page was opened with, in the part of the address that browsers send to no server. */
import type { Texts } from "../i18n";

/** Why a sign-in or sign-out did not succeed; the first ones are the gateway's. */
export type SignInProblem = keyof Texts["signIn"]["problem"];

const PROBLEMS: readonly string[] = [
  "issuer_unreachable",
  "issuer_error",
  "consent_refused",
  "interrupted",
  "clock",
  "misconfigured",
  "not_allowed",
] satisfies readonly SignInProblem[];

export interface Arrival {
  token: string | null;
  problem: SignInProblem | null;
}

/** Read a fragment. Of a newer gateway's problem only that there is one is known. */
export function readArrival(hash: string): Arrival {
  const values = new URLSearchParams(hash.replace(/^#/, ""));
  const problem = values.get("sign-in-problem");
  if (problem === null) return { token: values.get("token"), problem: null };
  return { token: null, problem: PROBLEMS.includes(problem) ? (problem as SignInProblem) : "issuer_error" };
}

/**
 * Return the address at which a person signs in, who then comes back to the path `returnTo`; `again` lets them choose
 * another account.
 */
export function loginUrl(login: string, returnTo: string, again: boolean): string {
  const url = new URL(login);
  url.searchParams.set("return_to", returnTo);
  if (again) url.searchParams.set("again", "true");
  return url.href;
}
