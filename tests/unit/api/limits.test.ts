import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { createAddressGuard, createLocalLimiter } from '../../../api/http/limits';

const second = 1_000_000;

describe('the rate limiter', () => {
  it('lets through the burst and one an interval, and never more, whenever requests come', () => {
    const rates = fc.record({
      perSecond: fc.integer({ min: 1, max: 100 }),
      burst: fc.integer({ min: 1, max: 50 }),
    });
    fc.assert(
      fc.property(
        rates,
        fc.array(fc.nat(second), { minLength: 1, maxLength: 200 }),
        (rate, pauses) => {
          let now = 0;
          const take = createLocalLimiter(() => now);
          const passed: number[] = [];
          for (const pause of pauses) {
            now += pause;
            if (take('key', rate).isAllowed) passed.push(now);
          }
          for (const [at, from] of passed.entries()) {
            const within = passed.filter(
              (time, index) => index >= at && time - from < second,
            ).length;
            expect(within).toBeLessThanOrEqual(rate.burst + rate.perSecond);
          }
        },
      ),
    );
  });

  it('tells how long to wait, and is right', () => {
    let now = 0;
    const take = createLocalLimiter(() => now);
    const rate = { perSecond: 10, burst: 2 };
    expect([take('k', rate), take('k', rate), take('k', rate)]).toEqual([
      { isAllowed: true, remaining: 1, retryAfterMs: 0 },
      { isAllowed: true, remaining: 0, retryAfterMs: 0 },
      { isAllowed: false, remaining: 0, retryAfterMs: 100 },
    ]);
    now += 100_000;
    expect(take('k', rate).isAllowed).toBe(true);
    expect(take('other', rate).isAllowed).toBe(true);
  });
});

describe('the guard of addresses', () => {
  it('refuses an address that keeps failing, and no other one', () => {
    const guard = createAddressGuard({ perSecond: 1, burst: 3 });
    for (let failures = 0; failures < 4; failures += 1) guard.countFailure('10.0.0.1');
    expect(() => guard.check('10.0.0.1')).toThrow(
      expect.objectContaining({ code: 'rate_limited' }),
    );
    expect(() => guard.check('10.0.0.2')).not.toThrow();
  });
});
