import type { FastifyBaseLogger } from 'fastify';

import { bodyBytesMax, headerBytesMax, paramLengthMax } from './size-limits';

/** Every problem that the API answers with, and what it means to a caller. The one table; docs and OpenAPI read it. */
export const problems = {
  malformed_body: { status: 400, retryable: false, title: 'The body is not acceptable JSON.' },
  invalid_request: { status: 400, retryable: false, title: 'The request does not fit its schema.' },
  cursor_invalid: {
    status: 400,
    retryable: false,
    title: 'The cursor does not belong to this list.',
  },
  bad_url: { status: 400, retryable: false, title: 'The URL cannot be decoded.' },
  tenant_missing: {
    status: 400,
    retryable: false,
    title:
      'The credential is for several tenants or clusters: name one in the header Accord-Tenant or Accord-Cluster.',
  },
  bad_http: { status: 400, retryable: false, title: 'This is not HTTP.' },
  idempotency_key_missing: {
    status: 400,
    retryable: false,
    title: 'An Idempotency-Key is required.',
  },
  idempotency_key_invalid: {
    status: 400,
    retryable: false,
    title: 'The Idempotency-Key is not valid.',
  },
  unauthenticated: { status: 401, retryable: false, title: 'A valid credential is required.' },
  scope_missing: { status: 403, retryable: false, title: 'The credential lacks the scope.' },
  wrong_realm: {
    status: 403,
    retryable: false,
    title:
      'The credential is of a tenant where one of a cluster is wanted, or the other way round.',
  },
  second_person_required: {
    status: 403,
    retryable: false,
    title: 'A second person must approve this.',
  },
  route_not_found: { status: 404, retryable: false, title: 'There is no such route.' },
  not_found: { status: 404, retryable: false, title: 'There is nothing with this id.' },
  method_not_allowed: {
    status: 405,
    retryable: false,
    title: 'The route does not take this method.',
  },
  not_acceptable: {
    status: 406,
    retryable: false,
    title: 'Nothing that is asked for can be answered.',
  },
  request_timeout: { status: 408, retryable: true, title: 'The request arrived too slowly.' },
  idempotency_in_progress: {
    status: 409,
    retryable: true,
    title: 'The first request with this key is still being accepted.',
  },
  transaction_exists: {
    status: 409,
    retryable: false,
    title: 'The reference has been used under another key.',
  },
  past_pivot: { status: 409, retryable: false, title: 'The point of no return has been passed.' },
  already_ended: { status: 409, retryable: false, title: 'The transaction has ended.' },
  not_parked: {
    status: 409,
    retryable: false,
    title: 'The transaction is not parked at this step.',
  },
  nothing_to_book: {
    status: 409,
    retryable: false,
    title: 'No skipped step of this transaction waits to be booked under this name.',
  },
  decision_not_offered: {
    status: 409,
    retryable: false,
    title: 'Nothing that is parked offers this decision.',
  },
  state_changed: { status: 409, retryable: false, title: 'The transaction has moved meanwhile.' },
  failover_in_progress: {
    status: 409,
    retryable: false,
    title: 'The regions of the cluster are being moved.',
  },
  ask_again: {
    status: 409,
    retryable: true,
    title: 'The transaction is just being started: ask again.',
  },
  not_yet: {
    status: 409,
    retryable: true,
    title: 'What this builds on is still under way: send it again.',
  },
  body_too_large: { status: 413, retryable: false, title: 'The body is too large.' },
  uri_too_long: { status: 414, retryable: false, title: 'The URL is too long.' },
  unsupported_media_type: {
    status: 415,
    retryable: false,
    title: 'The body has another media type than this route takes.',
  },
  expectation_failed: {
    status: 417,
    retryable: false,
    title: 'Only "Expect: 100-continue" can be met.',
  },
  idempotency_key_reused: {
    status: 422,
    retryable: false,
    title: 'The key came before with another request.',
  },
  unprocessable: {
    status: 422,
    retryable: false,
    title: 'The request fits its schema, but cannot mean anything.',
  },
  rate_limited: { status: 429, retryable: true, title: 'Too many requests.' },
  headers_too_large: { status: 431, retryable: false, title: 'The headers are too large.' },
  internal: { status: 500, retryable: true, title: 'A defect of ours.' },
  overloaded: { status: 503, retryable: true, title: 'Too much is going on.' },
  stopping: { status: 503, retryable: true, title: 'This process is stopping.' },
  region_switching: { status: 503, retryable: true, title: 'A region is being switched.' },
  dependency_unavailable: {
    status: 503,
    retryable: true,
    title: 'A system that is needed does not answer.',
  },
  outcome_unknown: {
    status: 503,
    retryable: true,
    title: 'Whether it took effect is unknown: ask, or send it again with the same key.',
  },
} as const satisfies Record<string, { status: number; retryable: boolean; title: string }>;
export type ProblemCode = keyof typeof problems;

/** What to do next, or the limit that was passed, where every problem of a code has the same. */
const detailOfCode: Readonly<Partial<Record<ProblemCode, string>>> = {
  malformed_body: 'Send one JSON value in UTF-8.',
  bad_url: 'Encode "%" as "%25", and every other byte as RFC 3986 says.',
  cursor_invalid: 'Send the filters that the cursor came with, or begin without a cursor.',
  idempotency_key_missing:
    'Send the header Idempotency-Key: one value for each intent, the same one when you send it again.',
  unauthenticated: 'Send "Authorization: Bearer", with a live API key or an operator\'s token.',
  not_acceptable: 'Leave Accept out, or allow application/json.',
  request_timeout: 'Send the whole request within ten seconds of its first byte.',
  body_too_large: `At most ${bodyBytesMax} bytes are taken.`,
  uri_too_long: `At most ${paramLengthMax} characters are taken in one part of a path.`,
  headers_too_large: `At most ${headerBytesMax} bytes of headers are taken.`,
  unsupported_media_type:
    'Send "Content-Type: application/json", or application/x-ndjson to a bulk route.',
  internal: "It is in our log under this request's id: send it again, and name the id if it stays.",
};

/** `identity`: the service that publishes the keys of operators' tokens. */
export type Dependency = 'mysql' | 'temporal' | 'redis' | 'identity';

/** One field that is wrong: JSON pointer into the body, `?name` of the query, `:name` of the path, or a header's name. */
export interface FieldError {
  readonly pointer: string;
  readonly code: string;
  readonly message: string;
}

interface ProblemDetails {
  readonly detail?: string;
  readonly errors?: readonly FieldError[];
  readonly gid?: string;
  readonly dependency?: Dependency;
  readonly retryAfterSeconds?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/** An answer that is thrown: anything else that reaches the error handler is a defect, and shows as `internal`. */
export class Problem extends Error {
  readonly status: number;

  constructor(
    readonly code: ProblemCode,
    readonly details: ProblemDetails = {},
  ) {
    super(details.detail ?? detailOfCode[code] ?? problems[code].title, { cause: details.cause });
    this.name = 'Problem';
    this.status = problems[code].status;
  }
}

/** A system that did not answer in time; nothing has taken effect. Never carries its text, only its cause for the log. */
export const dependencyUnavailable = (dependency: Dependency, cause?: unknown): Problem =>
  new Problem('dependency_unavailable', {
    detail: `${dependency} does not answer.`,
    dependency,
    retryAfterSeconds: 1,
    cause,
  });

/** The time to wait has jitter, so that refused callers do not all come back at once. */
export const overloaded = (): Problem =>
  new Problem('overloaded', { retryAfterSeconds: 1 + Math.floor(Math.random() * 5) });

/** The body of a problem (RFC 9457), for one request. */
export function problemBody({ code, details }: Problem, requestId: string) {
  const { status, title, retryable } = problems[code];
  const detail = details.detail ?? detailOfCode[code];
  return {
    type: `urn:accord:problem:${code}`,
    title,
    status,
    ...(detail !== undefined && { detail }),
    instance: `urn:accord:request:${requestId}`,
    code,
    retryable,
    ...(details.errors && { errors: details.errors }),
    ...(details.gid !== undefined && { gid: details.gid }),
    ...(details.dependency && { dependency: details.dependency }),
  };
}

export function problemHeaders({ code, details }: Problem): Readonly<Record<string, string>> {
  return {
    ...(code === 'unauthenticated' && { 'www-authenticate': 'Bearer realm="accord"' }),
    ...(details.retryAfterSeconds !== undefined && {
      'retry-after': String(details.retryAfterSeconds),
    }),
    ...details.headers,
  };
}

/** Writes down what its caller is told too little of to find the cause. */
export function logProblem(log: Pick<FastifyBaseLogger, 'error' | 'warn'>, problem: Problem): void {
  if (problem.code === 'internal') log.error({ err: problem.cause }, 'A defect.');
  else if (problem.status >= 500)
    log.warn({ code: problem.code, err: problem.cause }, problem.message);
}

const codesOfFastify: Readonly<Record<string, ProblemCode>> = {
  FST_ERR_BAD_URL: 'bad_url',
  FST_ERR_MAX_PARAM_LENGTH: 'uri_too_long',
  FST_ERR_CTP_BODY_TOO_LARGE: 'body_too_large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'malformed_body',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'malformed_body',
  FST_ERR_CTP_INVALID_JSON_BODY: 'malformed_body',
  FST_ERR_HANDLER_TIMEOUT: 'outcome_unknown',
};

/** What a thrown value answers with. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : '';
  return new Problem(codesOfFastify[String(code)] ?? 'internal', { cause: error });
}
