import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import type { RegionAccess } from '../../../../activities/regions/switch/activities';
import { lookAtServices } from '../../../../activities/regions/watch/service-probes';
import { ownDatabases, type OwnDatabases } from '../../../support/databases';
import { testStack } from '../../../support/stack';

let own: OwnDatabases;
let access: RegionAccess;

beforeAll(async () => {
  own = await ownDatabases(['orders']);
  const { redis, kafka } = await testStack();
  const unused = { host: '', port: 0 };
  access = {
    mysqlUrl: own.adminUrl('orders'),
    redisUrl: redis.url,
    brokers: kafka.brokers,
    ...{ mysql: '', redis: '', agent: '' },
    ...{ source: { ...unused, user: '', password: '' }, redisLink: unused },
  };
}, 60_000);
afterAll(() => own.drop());

const look = (more: Partial<RegionAccess> = {}, isActive = true) =>
  lookAtServices({
    access: { ...access, ...more },
    isActive,
    watchUrl: own.urls.WATCH_DATABASE_URL,
    now: Date.now,
  });
const well = { isWell: true, ms: expect.any(Number), error: null };
/** Nobody listens on the discard port of this machine. */
const nobody = '127.0.0.1:9';

describe('a look at the services of a region', () => {
  it('sees all of them answer where it is active: MySQL by a write', async () => {
    expect(await look()).toMatchObject({ mysql: well, redis: well, kafka: well });
    const orders = own.pool(own.adminUrl('orders'), { connectionLimit: 1 });
    const rows = await orders.select<{ readonly seq: number | string }>(
      `SELECT seq FROM heartbeat WHERE source = 'services'`,
      [],
    );
    expect(rows.map(({ seq }) => Number(seq))).toEqual([1]);
  });

  it('sees that servers which lead do not stand by', async () => {
    expect(await look({}, false)).toMatchObject({
      mysql: { isWell: false }, // This one has no semi-sync to tell of.
      redis: { isWell: false, ms: expect.any(Number), error: 'It follows nobody.' },
      kafka: well,
    });
  });

  it('says why nobody answers, each by itself', async () => {
    const gone = { isWell: false, ms: null, error: expect.stringMatching(/./) };
    const mysql = new URL(access.mysqlUrl);
    mysql.host = nobody;
    expect(await look({ mysqlUrl: mysql.toString() })).toMatchObject({ mysql: gone, redis: well });
    expect(await look({ redisUrl: `redis://${nobody}` })).toMatchObject({
      redis: gone,
      kafka: well,
    });
    expect(await look({ brokers: [nobody] })).toMatchObject({ kafka: gone, mysql: well });
  });
});
