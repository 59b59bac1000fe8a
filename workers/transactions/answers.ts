import { stepKeyOf } from '../../contracts/engine/ids';
import type { Keyed, VerdictName } from '../../contracts/engine/verdict';
import { requestDigest } from '../../runtime/request-digest';

/** Gives each verdict the time of the answer, with which the workflow goes on. @param answeredAt ms since 1970. */
export const answered = (result: unknown, answeredAt: number): unknown =>
  isVerdicts(result) ? result.map((verdict) => ({ ...verdict, answeredAt })) : result;

/**
 * Gives each verdict of a local call the digest of its request. The history of a local call has its verdicts alone, and
 * the replay gate compares what was asked for.
 */
export function withDigests(result: unknown, requests: unknown): unknown {
  if (!isVerdicts(result) || !Array.isArray(requests)) return result;
  const digests = new Map(requests.filter(isKeyed).map((one) => [one.key, requestDigest(one)]));
  return result.map((verdict) => ({
    ...verdict,
    digest: digests.get(stepKeyOf(verdict.gid, verdict.branch)),
  }));
}

const isVerdicts = (result: unknown): result is readonly VerdictName[] =>
  Array.isArray(result) &&
  result.every((one: unknown) => typeof one === 'object' && one !== null && 'fence' in one);

const isKeyed = (request: unknown): request is Keyed =>
  typeof request === 'object' && request !== null && 'key' in request;
