/** Every server at an IPv6 address, by lines to those of the tests; a machine without ::1 skips it. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import type { Variables } from '../../testing/environment/application';
import { anOrder, ownApplication, type OwnApplication } from '../support/application';
import { eventually } from '../support/eventually';
import { openLine, type Line } from '../support/lines';
import { testStack } from '../support/stack';

const hasIpv6 = Object.values(networkInterfaces()).some((all) =>
  all?.some(({ address }) => address === '::1'),
);
const describeWithIpv6 = hasIpv6 ? describe : describe.skip;

let own: OwnApplication;
let folder: string;
const lines: Line[] = [];

beforeAll(async () => {
  own = await ownApplication();
  folder = mkdtempSync(join(tmpdir(), 'accord-ipv6-'));
}, 120_000);
afterAll(async () => {
  await own.close();
  await Promise.all(lines.map((line) => line.close()));
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

/** @returns `[::1]:port`, which leads where `host:port` does. */
async function alongIpv6(address: string): Promise<string> {
  const { hostname: host, port } = new URL(`tcp://${address}`);
  const line = await openLine({ at: '::1', to: { host, port: Number(port) } });
  lines.push(line);
  return `[::1]:${line.port}`;
}

/** Where everything is: Kafka then names its own listener, as servers do that are bootstrapped along another way. */
async function serversAlongIpv6(): Promise<Variables> {
  const { mysql, redis, temporal, kafka } = await testStack();
  const [mysqlHost, redisHost] = [new URL(mysql.adminUrl).host, new URL(redis.url).host];
  const mysqlAt = await alongIpv6(mysqlHost);
  const urls = Object.entries(own.databases.urls).map(([name, url]) => [
    name,
    url.replaceAll(`@${mysqlHost}/`, `@${mysqlAt}/`),
  ]);
  return {
    ...(Object.fromEntries(urls) as Variables),
    REDIS_URL: `${redis.url.replace(redisHost, await alongIpv6(redisHost))}?keyPrefix=${own.kafka.settings.topicPrefix}`,
    TEMPORAL_ADDRESS: await alongIpv6(temporal.address),
    KAFKA_BROKERS: (await Promise.all(kafka.brokers.map(alongIpv6))).join(','),
  };
}

describeWithIpv6('where MySQL, Redis, Temporal, Kafka and the API are at IPv6 addresses', () => {
  it('an order comes to its ending and to its view', async () => {
    const servers = await serversAlongIpv6();
    for (const address of Object.values(servers)) expect(address).toMatch(/^$|\[::1\]:\d+/);
    await Promise.all(
      (['worker', 'relay', 'consumer'] as const).map((role) => own.start(role, role, servers)),
    );
    const ready = join(folder, 'api.ready');
    own.spawn('api', { ...servers, API_HOST: '::1', API_PORT: '0', READY_FILE: ready });
    const at = await eventually(
      async () => {
        const { port } = JSON.parse(readFileSync(ready, 'utf8')) as { readonly port: number };
        const url = `http://[::1]:${port}`;
        return (await fetch(`${url}/readyz`)).ok && url;
      },
      { withinMs: 40_000, what: 'the API to be ready at ::1' },
    );
    const order = anOrder();
    const { status, body } = await own.request('POST', '/v1/orders', {
      ...{ body: order, waitSeconds: 20, at },
    });
    expect([status, body['outcome']]).toEqual([200, 'completed']);
    await eventually(
      async () => {
        const view = await own.request('GET', `/v1/orders/${order.orderId}`, { at });
        return view.body['status'] === 'completed';
      },
      { withinMs: 30_000, what: 'the event to come through Kafka' },
    );
  }, 120_000);
});
