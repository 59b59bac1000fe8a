/** A set of requests for the fence: bounded, named and sorted. It is divided if one request fails the others. */
import { createHash } from 'node:crypto';

import { canonicalJson } from '../../contracts/engine/canonical-json';
import { gidLengthMax, partsOfStepKey, type StepKey } from '../../contracts/engine/ids';
import { batchItemsMax, setBytesMax, type Keyed } from '../../contracts/engine/verdict';
import type { Effect } from './rows';

/** A request with the effect of its key. */
export interface Item<Request extends Keyed> extends Effect {
  readonly key: StepKey;
  readonly request: Request;
}

/**
 * The items of a set by (gid, branch), the order in which every set locks its rows.
 *
 * @throws RangeError, before any SQL, for an empty set or one over a bound, for a repeated key, and for a key that
 *   `stepKeyOf` cannot have made: too long for its column, or with letters that a column might confuse.
 */
export function sortedSet<Request extends Keyed>(
  requests: readonly Request[],
): readonly Item<Request>[] {
  if (requests.length === 0 || requests.length > batchItemsMax) {
    throw new RangeError(`A set has 1 to ${batchItemsMax} requests, this one ${requests.length}.`);
  }
  const bytes = Buffer.byteLength(JSON.stringify(requests));
  if (bytes > setBytesMax) {
    throw new RangeError(`A set has at most ${setBytesMax} bytes, this one ${bytes}.`);
  }
  const items = requests.map((request) => ({
    ...effectNamed(request.key),
    key: request.key,
    request,
  }));
  items.sort(
    (one, other) => compareBytes(one.gid, other.gid) || compareBytes(one.branch, other.branch),
  );
  for (const [at, { key }] of items.entries()) {
    if (items[at + 1]?.key === key) throw new RangeError(`The key ${key} stands twice in one set.`);
  }
  return items;
}

/** @throws RangeError for a key that names no effect. */
export function effectNamed(key: StepKey): Effect {
  const effect = partsOfStepKey(key);
  if (!effect) {
    throw new RangeError(
      `Not a step key: ${JSON.stringify(key.slice(0, 2 * gidLengthMax))}; it is <gid>/<branch>.`,
    );
  }
  return effect;
}

/** Keys are ASCII, so code units are the bytes that MySQL compares. */
const compareBytes = (one: string, other: string): number =>
  one < other ? -1 : one > other ? 1 : 0;

/**
 * Runs `work` on the whole set. If it fails twice because of its content, each half runs alone, down to the item that
 * causes the failure. So one item never fails the others.
 *
 * @param isContent whether the content causes a failure. A failure of the infrastructure is thrown and retried outside.
 * @param blame makes the answer for the failing item. The failure of a set of one is thrown, and retried outside until
 *   a deploy repairs it or the deadline of its transaction passes.
 */
export async function dividing<Member, Answer>(
  set: readonly Member[],
  work: (part: readonly Member[]) => Promise<readonly Answer[]>,
  isContent: (error: unknown) => boolean,
  blame: (culprit: Member, error: unknown) => Answer,
): Promise<readonly Answer[]> {
  if (set.length === 1) return work(set);
  const solve = async (part: readonly Member[]): Promise<readonly Answer[]> => {
    const outcome = await attemptTwice(() => work(part), isContent);
    if (outcome.ok) return outcome.answers;
    const [first, second] = part;
    if (first !== undefined && second === undefined) return [blame(first, outcome.error)];
    const middle = Math.ceil(part.length / 2);
    const left = await solve(part.slice(0, middle)); // One after the other: both halves may lock the same rows.
    return [...left, ...(await solve(part.slice(middle)))];
  };
  return solve(set);
}

type Outcome<Answer> =
  | { readonly ok: true; readonly answers: readonly Answer[] }
  | { readonly ok: false; readonly error: unknown };

async function attemptTwice<Answer>(
  work: () => Promise<readonly Answer[]>,
  isContent: (error: unknown) => boolean,
): Promise<Outcome<Answer>> {
  let outcome: Outcome<Answer> | undefined;
  for (let attempt = 1; attempt <= 2; attempt += 1) {
    try {
      return { ok: true, answers: await work() };
    } catch (error) {
      if (!isContent(error)) throw error;
      outcome = { ok: false, error };
    }
  }
  return outcome ?? { ok: false, error: undefined };
}

/** SHA-256 of the canonical JSON: requests with equal content have equal hashes, in any order of keys. */
export const contentHashOf = (content: object): Buffer =>
  createHash('sha256').update(canonicalJson(content)).digest();
