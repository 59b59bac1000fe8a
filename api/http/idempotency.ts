import { createHash, createHmac } from 'node:crypto';

import { canonicalJson } from '../../contracts/engine/canonical-json';
import { leavesOf } from './json-pointer';
import { Problem, type FieldError } from './errors';
import type { JsonValue } from './json-text';

const keyLengthMax = 255;
const visibleAscii = /^[\x21-\x7e]+$/;

/**
 * The key of a request: a bare token, or a string in quotes (IETF draft 07); `"k"` and `k` are the same key.
 *
 * @param rawHeaders names and values in turn, as they came: Node joins two lines into one, and a key must be one.
 * @throws Problem `idempotency_key_missing`, `idempotency_key_invalid`.
 */
export function idempotencyKeyOf(rawHeaders: readonly string[]): string {
  const values = rawHeaders.filter(
    (_, at) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === 'idempotency-key',
  );
  const [value] = values;
  if (value === undefined) throw new Problem('idempotency_key_missing');
  const text = value.trim();
  const quoted = /^"([^"\\]*)"$/.exec(text)?.[1];
  const key = quoted ?? text;
  const isOne = values.length === 1 && (quoted !== undefined || !/[",]/.test(text));
  if (!isOne || !isKey(key)) throw invalidKey();
  return key;
}

/**
 * The key of one line of many: what would stand between the quotes of the header.
 *
 * @throws Problem `idempotency_key_missing`, `idempotency_key_invalid`.
 */
export function keyOfLine(value: JsonValue | undefined): string {
  if (value === undefined)
    throw new Problem('idempotency_key_missing', {
      detail: 'Each line has a member idempotencyKey: the same one when you send the line again.',
    });
  if (typeof value !== 'string' || /["\\]/.test(value) || !isKey(value)) throw invalidKey();
  return value;
}

const isKey = (key: string): boolean => key.length <= keyLengthMax && visibleAscii.test(key);

const invalidKey = (): Problem =>
  new Problem('idempotency_key_invalid', {
    detail: `One key of 1 to ${keyLengthMax} visible ASCII characters.`,
  });

/** What a key came with: enough to say "the same", and which fields differ, when the request itself is gone. */
export interface Fingerprint {
  /** SHA-256 of the canonical request. */
  readonly digest: Buffer;
  /**
   * JSON pointer (`:name` for a part of the path) → keyed digest of the field: keyed, because an account number could be
   * guessed from a plain one.
   */
  readonly fields: Readonly<Record<string, string>>;
}

/** Fingerprint of a request as it was sent, before any default: headers do not count. */
export function fingerprintOf(
  params: Readonly<Record<string, string>>,
  body: JsonValue,
  secret: string,
): Fingerprint {
  const path = Object.entries(params).map(([name, value]) => [`:${name}`, value] as const);
  const fields = [...path, ...leavesOf(body)].map(([pointer, value]) => {
    const digest = createHmac('sha256', secret).update(`${pointer}\0${canonicalJson(value)}`);
    return [pointer, digest.digest('base64url').slice(0, 12)] as const; // 72 bits name a field; they guard nothing.
  });
  const digest = createHash('sha256').update(canonicalJson({ params, body })).digest();
  return { digest, fields: Object.fromEntries(fields) };
}

/** The fields in which two requests differ, one error each. */
export function differingFields(
  before: Fingerprint['fields'],
  now: Fingerprint['fields'],
): readonly FieldError[] {
  const pointers = [...new Set([...Object.keys(before), ...Object.keys(now)])].sort();
  return pointers
    .filter((pointer) => before[pointer] !== now[pointer])
    .map((pointer) => ({ pointer, code: 'differs', message: differenceOf(before, now, pointer) }));
}

function differenceOf(
  before: Fingerprint['fields'],
  now: Fingerprint['fields'],
  pointer: string,
): string {
  if (before[pointer] === undefined) return 'was not in the first request';
  return now[pointer] === undefined ? 'was in the first request' : 'differs from the first request';
}
