/** A set of requests on its way to the fence: bounded, named, sorted; and divided when one of it fails the others. */
import { createHash } from 'node:crypto';

import { gidLengthMax, partsOfStepKey, type StepKey } from '../../contracts/engine/ids';
import { batchItemsMax, setBytesMax, type Keyed } from '../../contracts/engine/verdict';
import type { Effect } from './rows';

/** A request with the effect that its key names. */
export interface Item<Request extends Keyed> extends Effect {
  readonly key: StepKey;
  readonly request: Request;
}

/**
 * The items of a set by (gid, branch), the order in which every set locks its rows.
 *
 * @throws RangeError, before any SQL, for an empty set or one over a bound, for a key twice, for a key that `stepKeyOf`
 *   cannot have made: too long for its column, or with letters that a column might confuse.
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

/** The keys are ASCII: code units are the bytes that MySQL compares. */
const compareBytes = (one: string, other: string): number =>
  one < other ? -1 : one > other ? 1 : 0;

/**
 * Runs `work` on the whole set. Where it fails twice by what is in the set, halves are tried alone, down to the culprit
 * itself, so that one item never fails its neighbours.
 *
 * @param isContent tells such a failure from one of the infrastructure, which is thrown and retried from outside.
 * @param blame answers for a culprit. A set of one has no neighbours: its failure is thrown, and retried from outside
 *   until a deploy mends it or its transaction's deadline passes.
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
    const left = await solve(part.slice(0, middle)); // One after the other: they may want the same rows.
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

/** SHA-256 of the canonical JSON: two requests with equal content have equal hashes, in whatever order keys stand. */
export const contentHashOf = (content: object): Buffer =>
  createHash('sha256').update(canonicalJson(content)).digest();

function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([one], [other]) => compareBytes(one, other)))
      : part,
  );
}
