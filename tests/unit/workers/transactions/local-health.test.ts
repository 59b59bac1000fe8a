import { describe, expect, it } from '@jest/globals';

import { createLocalHealth } from '../../../../workers/transactions/local-health';

/** The health of participants, and a clock that the test moves. */
function healthAt() {
  let now = 0;
  return {
    health: createLocalHealth(() => now),
    later: (ms: number) => (now += ms),
  };
}

describe('a participant', () => {
  it('gets local attempts until three in a row have failed', () => {
    const { health } = healthAt();
    health.failed('accounts');
    health.failed('accounts');
    expect(health.mayTry('accounts')).toBe(true);
    health.failed('accounts');
    expect(health.mayTry('accounts')).toBe(false);
  });

  it('is asked by one caller after a pause, and by all once it has answered', () => {
    const { health, later } = healthAt();
    for (let failed = 0; failed < 3; failed += 1) health.failed('accounts');
    later(2_000);
    expect([health.mayTry('accounts'), health.mayTry('accounts')]).toEqual([true, false]);
    health.answered('accounts');
    expect([health.mayTry('accounts'), health.mayTry('accounts')]).toEqual([true, true]);
  });

  it('that fails the one attempt after a pause is left alone for another pause', () => {
    const { health, later } = healthAt();
    for (let failed = 0; failed < 3; failed += 1) health.failed('accounts');
    later(2_000);
    expect(health.mayTry('accounts')).toBe(true);
    health.failed('accounts');
    later(1_999);
    expect(health.mayTry('accounts')).toBe(false);
    later(1);
    expect(health.mayTry('accounts')).toBe(true);
  });

  it('that fails does not cost another one its local attempts', () => {
    const { health } = healthAt();
    for (let failed = 0; failed < 3; failed += 1) health.failed('accounts');
    expect(health.mayTry('inventory')).toBe(true);
  });

  it('begins anew with its failures after an answer', () => {
    const { health } = healthAt();
    health.failed('accounts');
    health.failed('accounts');
    health.answered('accounts');
    health.failed('accounts');
    expect(health.mayTry('accounts')).toBe(true);
  });
});
