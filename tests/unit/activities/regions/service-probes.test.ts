import { describe, expect, it } from '@jest/globals';

import {
  healthOf,
  redisLook,
  type ServiceLook,
} from '../../../../activities/regions/watch/service-probes';

const seen: ServiceLook = { isWell: true, ms: 3, lagMs: null, error: null };
const missed: ServiceLook = { isWell: false, ms: null, lagMs: null, error: 'ECONNREFUSED' };
const times = (count: number, look: ServiceLook): readonly ServiceLook[] =>
  Array.from({ length: count }, () => look);

describe('the health of a service', () => {
  it.each<[string, readonly ServiceLook[], object]>([
    ['answers', [seen], { level: 'HEALTHY', errorPercent: 0, latencyMs: 3, error: null }],
    ['answers slowly', [{ ...seen, ms: 251 }], { level: 'DEGRADED', errorPercent: 0 }],
    ['is behind', [{ ...seen, lagMs: 1_000 }], { level: 'DEGRADED', lagMs: 1_000 }],
    ['was missed now', [seen, missed], { level: 'DEGRADED', errorPercent: 50, latencyMs: 3 }],
    ['was missed often', times(3, missed), { level: 'UNHEALTHY', error: 'ECONNREFUSED' }],
    [
      'was missed, and is back',
      [...times(9, missed), seen],
      { level: 'HEALTHY', errorPercent: 90 },
    ],
    ['answers, and does not follow', [{ ...missed, ms: 2 }], { level: 'DEGRADED', latencyMs: 2 }],
  ])('that %s', (_, looks, health) => {
    expect(healthOf(looks, 3)).toMatchObject(health);
  });
});

describe('Redis of a region', () => {
  const leader = 'role:master\r\nconnected_slaves:1\r\n';
  const replica = (link: 'up' | 'down', ago: number) =>
    `role:slave\r\nmaster_link_status:${link}\r\nmaster_last_io_seconds_ago:${ago}\r\n`;

  it.each<[string, string, boolean, object]>([
    ['leads where it is active', leader, true, { lagMs: null, error: null }],
    ['should lead', replica('up', 0), true, { error: 'It follows another one.' }],
    ['follows where it stands by', replica('up', 0), false, { lagMs: 0, error: null }],
    ['has heard nothing for a while', replica('up', 5), false, { lagMs: 4_000, error: null }],
    ['is cut off', replica('down', -1), false, { lagMs: null, error: expect.any(String) }],
    ['should follow', leader, false, { error: 'It follows nobody.' }],
  ])('%s', (_, info, isActive, look) => {
    expect(redisLook(info, isActive)).toMatchObject(look);
  });
});
