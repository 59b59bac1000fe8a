import { describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';

import {
  createPremises,
  PremisesBroken,
  type BrokenPremise,
  type PremiseSource,
} from '../../../runtime/premises';

const mariaDb: BrokenPremise = {
  product: 'MariaDB',
  version: '10.11.6',
  setting: 'version',
  found: 'MariaDB',
  wanted: 'MySQL 8.4 or later',
  remedy: 'Point MYSQL_URL to MySQL.',
  isRequired: true,
};
const eviction: BrokenPremise = {
  product: 'Redis',
  version: '7.2.4',
  setting: 'maxmemory-policy',
  found: 'allkeys-lru',
  wanted: 'noeviction',
  remedy: 'Set it: an evicted lock is a lock held twice.',
  isRequired: false,
};

/** A server that answers as `answers` say, one after the other; the last one stays. */
const server = (
  name: string,
  ...answers: (Error | readonly BrokenPremise[])[]
): PremiseSource & { asked: number } => ({
  server: name,
  asked: 0,
  ask() {
    const answer = answers[Math.min(this.asked, answers.length - 1)] ?? [];
    this.asked += 1;
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
  },
});

function premisesOf(...sources: PremiseSource[]) {
  const lines: string[] = [];
  const log = (_fields: object, line: string) => void lines.push(line);
  const registry = new Registry();
  const logger = { info: log, warn: log } as never; // Two of its methods, of one of their forms.
  return { premises: createPremises(sources, { logger, registry, retryMs: 1 }), registry, lines };
}

describe('the premises of servers', () => {
  it('refuse a server by product, version and setting, once however many databases it has', async () => {
    const { premises } = premisesOf(server('mysql a', [mariaDb]), server('mysql b', [mariaDb]));
    const refused = premises.demand();
    await expect(refused).rejects.toThrow(new PremisesBroken([mariaDb]).message);
    await expect(refused).rejects.toMatchObject({
      name: 'PremisesBroken',
      message:
        'MariaDB 10.11.6: version is MariaDB, wanted MySQL 8.4 or later. Point MYSQL_URL to MySQL.',
    });
  });

  it('go on without an optional one, with a warning and a metric, until it is mended', async () => {
    const redis = server('redis', [eviction], [eviction], []);
    const { premises, registry, lines } = premisesOf(redis);
    await premises.demand();
    const gauge = () => registry.getSingleMetricAsString('accord_premise_broken');
    await expect(gauge()).resolves.toContain(
      'accord_premise_broken{server="redis",setting="maxmemory-policy"} 1',
    );
    await premises.check();
    expect(lines).toEqual([
      'Redis 7.2.4: maxmemory-policy is allkeys-lru, wanted noeviction. Set it: an evicted lock is a lock held twice.',
    ]);
    await premises.check();
    await expect(gauge()).resolves.toContain('setting="maxmemory-policy"} 0');
    expect(lines).toHaveLength(2);
  });

  it('take an outage for no answer: they wait for it, and ask nobody else twice', async () => {
    const away = server('mysql', new Error('ECONNREFUSED'), new Error('ECONNREFUSED'), []);
    const there = server('redis', []);
    const { premises, lines } = premisesOf(away, there);
    await premises.demand();
    expect([away.asked, there.asked]).toEqual([3, 1]);
    expect(lines).toEqual(['mysql does not answer yet: waiting for it.']);
  });

  it('stop waiting when the process stops', async () => {
    const { premises } = premisesOf(server('mysql', new Error('ECONNREFUSED')));
    const stopping = new AbortController();
    const waiting = premises.demand(stopping.signal);
    stopping.abort();
    await expect(waiting).resolves.toBeUndefined();
  });

  it('are refused also when they break later', async () => {
    const { premises } = premisesOf(server('mysql', [], [mariaDb]));
    await premises.demand();
    await expect(premises.check()).rejects.toThrow(PremisesBroken);
  });
});
