import { describe, expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';

import { createHealth } from '../../../api/health';
import type { RegionObservation } from '../../../api/stores/watch-store';
import { aCluster, fakeApi } from './fake-api';

type Dependencies = Parameters<typeof createHealth>[0];

function healthWith(more: Partial<Dependencies> = {}) {
  const asked = { beats: 0, attention: 0 };
  const health = createHealth({
    heartbeat: { beat: () => Promise.resolve(void (asked.beats += 1)) },
    temporal: { check: () => Promise.resolve() },
    redis: { set: () => Promise.resolve('OK') } as unknown as Redis, // All that a check asks of it.
    limits: { isAlone: () => false },
    starter: { isBacklogFull: () => false },
    premises: { demand: () => Promise.resolve() },
    brokenRedis: () => [],
    now: Date.now,
    runs: {
      attention: () => {
        asked.attention += 1;
        return Promise.resolve({ parked: 1, stuck: 0, unbooked: 0 });
      },
    },
    cluster: { read: () => Promise.resolve(aCluster({ regions: [] })) },
    watch: { observations: () => Promise.resolve([]) },
    lifecycle: { isReady: () => true, isStopping: () => false },
    ...more,
  });
  return { health, asked };
}

describe('health', () => {
  it('is asked once for all who ask at one time', async () => {
    const { health, asked } = healthWith();
    const answers = await Promise.all(Array.from({ length: 50 }, () => health.health()));

    expect(answers.every(({ status, parked }) => status === 'healthy' && parked === 1)).toBe(true);
    expect(asked).toEqual({ beats: 1, attention: 1 });
  });

  it('is not healthy where nobody knows what waits for people', async () => {
    const { health } = healthWith({
      runs: { attention: () => Promise.reject(new Error('No answer.')) },
    });
    expect(await health.health()).toMatchObject({ status: 'degraded', parked: null, stuck: null });
  });

  it('is not healthy where nobody knows how the regions are', async () => {
    const away = () => Promise.reject(new Error('No answer.'));
    for (const more of [
      { cluster: { read: away } },
      { cluster: { read: () => Promise.resolve(aCluster()) }, watch: { observations: away } },
    ]) {
      expect((await healthWith(more).health.health()).status).toBe('degraded');
    }
  });
});

describe('the health of a cluster with regions', () => {
  const seen = (region: string): RegionObservation => ({
    ...{ region, vantage: 'hub', level: 'HEALTHY', latencyMs: 1, lagMs: null, lastError: null },
    seenAt: new Date(0),
  });

  it.each([
    ['both are looked at', ['a', 'b'], 'healthy'],
    ['nobody looks at one', ['a'], 'degraded'],
    ['nobody looks at all', [], 'degraded'],
  ])('where %s', async (_where, looked, status) => {
    const { health } = healthWith({
      cluster: { read: () => Promise.resolve(aCluster()) },
      watch: { observations: () => Promise.resolve(looked.map(seen)) },
    });
    expect((await health.health()).status).toBe(status);
  });
});

describe('probes', () => {
  it('of one address are limited, except the one that asks for nothing', async () => {
    const { api } = await fakeApi();
    const ask = async (url: string, remoteAddress: string) =>
      await api.inject({ url, remoteAddress });
    const answers = await Promise.all(
      Array.from({ length: 300 }, () => ask('/readyz', '192.0.2.1')),
    );

    const refused = answers.filter(({ statusCode }) => statusCode === 429);
    expect(refused.length).toBeGreaterThan(0);
    expect(refused[0]?.json()).toMatchObject({ code: 'rate_limited' });
    expect(refused[0]?.headers['retry-after']).toBe('1');
    expect((await ask('/livez', '192.0.2.1')).statusCode).toBe(200);
    expect((await ask('/readyz', '192.0.2.2')).statusCode).toBe(200);
    await api.close();
  });
});
