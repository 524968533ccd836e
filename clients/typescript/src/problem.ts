/** A call that failed; `code` is for a program, `message` for a person. */
export class ApiError extends Error {
  override readonly name = "ApiError";

  constructor(
    /** HTTP status; 0 if there was no answer at all. */
    readonly status: number,
    /** Stable name such as `quota_exceeded`; if there was no answer, `offline` or `network`. */
    readonly code: string,
    message: string,
    /** Fields that were wrong. */
    readonly details: readonly { field: string; message: string }[] = [],
    /** When to try again, in milliseconds; null if nobody said. */
    readonly retryAfterMs: number | null = null,
  ) {
    super(message);
  }

  /** Whether it was the token: it is not good, or not for this. Another one may be. */
  get tokenRefused(): boolean {
    return this.status === 401 || this.code === "scope_missing";
  }

  /** Whether the same call may succeed later. A fault of the server (500) would come again. */
  get retryable(): boolean {
    return this.status === 0 || this.status === 429 || this.status > 501;
  }
}

interface ErrorBody {
  error: { code: string; message: string; details?: { field: string; message: string }[] };
}

function isErrorBody(body: unknown): body is ErrorBody {
  const error = (body as Partial<ErrorBody> | null)?.error;
  return typeof error?.code === "string" && typeof error.message === "string";
}

/** Read an answer that is an error, whether it is the gateway's or that of a proxy on the way. */
export async function problemOf(answer: Response): Promise<ApiError> {
  const seconds = Number(answer.headers.get("Retry-After") ?? Number.NaN);
  const retryAfterMs = Number.isFinite(seconds) ? seconds * 1_000 : null;
  const body: unknown = await answer.json().catch(() => null); // A proxy answers with HTML.
  if (!isErrorBody(body)) {
    const message = `the server answered with ${answer.status} ${answer.statusText}`.trimEnd();
    return new ApiError(answer.status, `http_${answer.status}`, message, [], retryAfterMs);
  }
  const { code, message, details } = body.error;
  return new ApiError(answer.status, code, message, details ?? [], retryAfterMs);
}
