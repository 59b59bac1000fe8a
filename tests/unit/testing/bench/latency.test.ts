import { describe, expect, it } from '@jest/globals';

import { latencyOf } from '../../../../testing/bench/latency';

describe('latencies', () => {
  it('are nearest ranks: each is a value that was seen', () => {
    const hundred = Array.from({ length: 100 }, (_, at) => 100 - at);
    expect(latencyOf(hundred)).toEqual({ count: 100, p50: 50, p95: 95, p99: 99, max: 100 });
  });

  it('of one are that one', () => {
    expect(latencyOf([7])).toEqual({ count: 1, p50: 7, p95: 7, p99: 7, max: 7 });
  });

  it('of none say so', () => {
    expect(latencyOf([])).toMatchObject({ count: 0, max: 0 });
  });
});
