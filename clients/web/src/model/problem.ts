/** Kinds of problems, grouped by their remedy. */
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
  image_empty: "empty",
  image_unsupported: "unsupported",
  image_too_complex: "unreadable",
  image_not_readable: "unreadable",
  image_truncated: "image_damaged",
  image_no_product: "no_product",
  quota_exceeded: "quota",
  rate_limited: "quota",
  storage_quota_exceeded: "storage",
  disk_full: "disk_full",
  database_disk_full: "disk_full",
  body_too_slow: "slow",
  blocked: "blocked",
  no_image: "blocked",
  engine_refused: "provider",
  engine_timeout: "busy",
  engine_unreachable: "busy",
  engine_unavailable: "busy",
  bad_reply: "busy",
  deadline_exceeded: "busy",
  timeout: "timeout",
  out_of_memory: "too_heavy",
  job_too_large: "too_heavy",
  result_too_large: "too_heavy",
  invalid_request: "invalid",
  unauthenticated: "signed_out",
  token_expired: "signed_out",
  service_unavailable: "unavailable",
  network: "unavailable",
  timed_out: "unavailable",
  discarded: "unavailable",
  offline: "offline",
};

/** Return the kind by the stable code, or for an unknown code by the HTTP status. */
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

/** Return the kind of any error of a call. */
export function problemOf(error: unknown): ProblemKind {
  if (error instanceof SignInNeeded) return "signed_out";
  return error instanceof ApiError ? kindOf(error.code, error.status) : "internal";
}
