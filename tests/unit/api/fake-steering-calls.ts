import { randomBytes } from 'node:crypto';

import type { Fingerprint } from '../../../api/http/idempotency';
import type { SteeringAnswer, SteeringCallsStore } from '../../../api/stores/steering-calls-store';

/** Steering calls in memory. */
export function fakeSteeringCalls(): SteeringCallsStore {
  const calls = new Map<string, { print: Fingerprint; claim: Buffer; answer?: SteeringAnswer }>();
  return {
    claim(digest, print) {
      const before = calls.get(digest.toString('hex'));
      if (!before) {
        const claim = randomBytes(16);
        calls.set(digest.toString('hex'), { print, claim });
        return Promise.resolve({ kind: 'claimed', claim });
      }
      if (!before.print.digest.equals(print.digest))
        return Promise.resolve({ kind: 'differs', fields: before.print.fields });
      const { answer } = before;
      return Promise.resolve(answer ? { kind: 'answered', answer } : { kind: 'underWay' });
    },
    keep(digest, _, answer) {
      const call = calls.get(digest.toString('hex'));
      if (call) call.answer = answer;
      return Promise.resolve();
    },
    giveBack(digest) {
      calls.delete(digest.toString('hex'));
      return Promise.resolve();
    },
  };
}
