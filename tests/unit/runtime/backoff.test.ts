import { describe, expect, it } from '@jest/globals';

import { backoffMs } from '../../../runtime/backoff';

describe('the pause before the next try', () => {
  it('doubles with each failure and stays at its longest, however long an outage lasts', () => {
    const pauses = [1, 2, 3, 4, 5, 6, 10_000].map((failures) =>
      backoffMs(failures, { first: 100, max: 2_000 }),
    );
    expect(pauses).toEqual([100, 200, 400, 800, 1_600, 2_000, 2_000]);
  });
});
