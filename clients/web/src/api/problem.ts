/** What can go wrong, sorted by what a person can do about it. */
import type { Texts } from "../i18n";

export type ProblemKind = keyof Texts["problem"];

/** An answer that is an error, or no answer at all (`status` 0). */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    /** Seconds after which the gateway advises to try again. */
    readonly retryAfter: number | null = null,
  ) {
    super(message);
  }

  get kind(): ProblemKind {
    return kindOf(this.code, this.status);
  }

  /** Whether the same request may work later without anybody doing anything. */
  get passes(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 502;
  }
}

const KINDS: Record<string, ProblemKind> = {
  image_too_large: "image_too_large",
  image_too_many_pixels: "image_too_large",
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
  file_gone: "gone",
  offline: "offline",
};

export function kindOf(code: string | null, status = 0): ProblemKind {
  const kind = KINDS[code ?? ""];
  if (kind !== undefined) return kind;
  if (status === 413) return "image_too_large";
  if (status === 415) return "not_an_image";
  if (status === 429) return "quota";
  if (status >= 502) return "unavailable";
  return "internal";
}
