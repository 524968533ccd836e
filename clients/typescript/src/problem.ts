/** The failure of a call; `code` is for programs, `message` for people. */
export class ApiError extends Error {
  override readonly name = "ApiError";

  constructor(
    /** HTTP status; 0 without a response. */
    readonly status: number,
    /** Stable name such as `quota_exceeded`; without a response `offline`, `network`, `timed_out` or `discarded`. */
    readonly code: string,
    message: string,
    /** Invalid fields. */
    readonly details: readonly { field: string; message: string }[] = [],
    /** Delay before the next attempt, in milliseconds; null if the server named none. */
    readonly retryAfterMs: number | null = null,
  ) {
    super(message);
  }

  /** Whether the token is invalid or lacks a permission; another token may succeed. */
  get tokenRefused(): boolean {
    return this.status === 401 || this.code === "scope_missing";
  }

  /** Whether the same call may succeed later. A fault of the server (500) would recur. */
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

/** Return the error of a response, whether from the gateway or from a proxy. */
export async function problemOf(answer: Response): Promise<ApiError> {
  const retryAfterMs = retryAfterOf(answer.headers);
  const body: unknown = await answer.json().catch(() => null); // A proxy responds with HTML.
  if (!isErrorBody(body)) {
    const message = `the server answered with ${answer.status} ${answer.statusText}`.trimEnd();
    return new ApiError(answer.status, `http_${answer.status}`, message, [], retryAfterMs);
  }
  const { code, message, details } = body.error;
  return new ApiError(answer.status, code, message, details ?? [], retryAfterMs);
}

/** Return a response's body once it is received; an `ApiError` if the connection is lost before. */
export async function received<T>(body: Promise<T>): Promise<T> {
  try {
    return await body;
  } catch (error) {
    // The type that the standard has for errors of the network.
    if (error instanceof TypeError) throw new ApiError(0, "network", "the connection was lost before the whole response was received");
    throw error;
  }
}

/** Return the delay before the next attempt, in milliseconds: `Retry-After` is in seconds, or a date by the server's clock. */
function retryAfterOf(headers: Headers): number | null {
  const value = headers.get("Retry-After") ?? "";
  const milliseconds = /^\d+$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - Date.parse(headers.get("Date") ?? "");
  return Number.isNaN(milliseconds) ? null : Math.max(0, milliseconds);
}
