import { describe, expect, it } from '@jest/globals';

import { isOver } from '../../../api/shop/routes/settlements';

describe('a day that is to be settled', () => {
  it.each([
    ['2026-11-20T23:59:59.999Z', false],
    ['2026-11-21T00:00:00.100Z', false], // The database may still be in the day, and would refuse it for good.
    ['2026-11-21T00:00:04.999Z', false],
    ['2026-11-21T00:00:05.000Z', true],
  ])('is over some seconds after its end: %s %s', (now, over) => {
    expect(isOver('2026-11-20', Date.parse(now))).toBe(over);
  });
});
