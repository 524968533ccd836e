/** What can go wrong, sorted by what a person can do about it. */
import { ApiError } from "@whitebg/client";

import type { Texts } from "../i18n";
import { SignInNeeded } from "../session/session";

export type ProblemKind = keyof Texts["problem"];

const KINDS: Record<string, ProblemKind> = {
  image_too_large: "image_too_large",
  image_too_many_pixels: "image_too_large",
  body_too_large: "image_too_large",
  request_entity_too_large: "image_too_large",
  image_not_recognised: "not_an_image",
  image_empty: "not_an_image",
  image_truncated: "image_damaged",
  image_no_product: "no_product",
  quota_exceeded: "quota",
  rate_limited: "quota",
  blocked: "blocked",
  no_image: "blocked",
  engine_refused: "provider",
  engine_timeout: "busy",
  engine_unreachable: "busy",
  engine_unavailable: "busy",
  bad_reply: "busy",
  timeout: "timeout",
  out_of_memory: "too_heavy",
  job_too_large: "too_heavy",
  result_too_large: "too_heavy",
  invalid_request: "invalid",
  unauthenticated: "signed_out",
  token_expired: "signed_out",
  service_unavailable: "unavailable",
  network: "unavailable",
  offline: "offline",
};

/** Sort by the stable code, or where that says nothing by the HTTP status. */
export function kindOf(code: string | null, status = 0): ProblemKind {
  const kind = KINDS[code ?? ""];
  if (kind !== undefined) return kind;
  if (status === 401) return "signed_out";
  if (status === 413) return "image_too_large";
  if (status === 415) return "not_an_image";
  if (status === 422) return "invalid";
  if (status === 429) return "quota";
  if (status >= 502) return "unavailable";
  return "internal";
}

/** Sort whatever a call may throw. */
export function problemOf(error: unknown): ProblemKind {
  if (error instanceof SignInNeeded) return "signed_out";
  return error instanceof ApiError ? kindOf(error.code, error.status) : "internal";
}
