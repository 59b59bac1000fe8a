import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import {
  loadConsumerConfig,
  loadRelayConfig,
  loadTransactionWorkerConfig,
} from '../../../workers/config';

const url = (database: string): string => `mysql://user:secret@127.0.0.1:3306/${database}`;
const worker = {
  INVENTORY_DATABASE_URL: url('inventory'),
  ACCOUNTS_DATABASE_URL: url('accounts'),
  ORDERS_DATABASE_URL: url('orders'),
  COUPONS_DATABASE_URL: url('coupons'),
  ACCORD_DATABASE_URL: url('accord'),
};

describe('the configuration of the workers', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'accord-config-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('needs only what holds a password; servers are looked for on this machine', () => {
    expect(loadTransactionWorkerConfig(worker)).toMatchObject({
      temporal: { address: '127.0.0.1:7233', namespace: 'default' },
      redisUrl: 'redis://127.0.0.1:6379',
      cluster: 'main',
      databases: { accord: url('accord') },
    });
  });

  it('names every wrong variable in one error, and no value', () => {
    const load = () =>
      loadTransactionWorkerConfig({
        ...worker,
        TEMPORAL_ADDRESS: 'nowhere',
        ACCORD_DATABASE_URL: 'postgres://u:hunter2@h/d',
        ORDERS_DATABASE_URL: '',
      });
    expect(load).toThrow(/TEMPORAL_ADDRESS[^]*ORDERS_DATABASE_URL[^]*ACCORD_DATABASE_URL/);
    expect(load).not.toThrow(/hunter2/);
  });

  it.each([
    ['transactions', loadTransactionWorkerConfig, worker],
    ['relay', loadRelayConfig, { RELAY_DATABASE_URLS: url('orders') }],
    ['consumer', loadConsumerConfig, { CONSUMER_DATABASE_URL: url('orders') }],
  ] as const)(
    'lets %s bear FAULTS only where a development switch allows them',
    (_, load, needed) => {
      const armed = { ...needed, FAULTS: 'api.start:before:kill' };
      const allowed = { ...armed, ACCORD_DEVELOPMENT: 'allow-faults' };
      expect(() => load(armed)).toThrow('FAULTS is set: remove it, or set ACCORD_DEVELOPMENT');
      expect(() => load({ ...armed, ACCORD_DEVELOPMENT: 'yes' })).toThrow('ACCORD_DEVELOPMENT');
      expect(load(allowed).faults.text).toBe('api.start:before:kill');
      expect(() => load({ ...allowed, FAULTS: 'typo' })).toThrow(
        'FAULTS: "typo" names no known place',
      );
    },
  );

  it.each([
    ['postgres://u:hunter2@h/accord_accord', 'address 2 of 3 (accord): not of the form mysql://'],
    ['mysql://u:hunter2@h/', 'address 2 of 3: names no database'],
    [
      'mysql://u:hunter2@h/accord_billing',
      'address 2 of 3: names the database of no participant: its name ends with one of inventory, ',
    ],
    [url('orders'), 'address 2 of 3 (orders): is of the same participant as address 1'],
  ])('says which address of several is wrong, and whose it is: %s', (wrong, sentence) => {
    const load = () =>
      loadRelayConfig({ RELAY_DATABASE_URLS: `${url('orders')},${wrong},${url('coupons')}` });
    expect(load).toThrow(`RELAY_DATABASE_URLS, ${sentence}`);
    expect(load).not.toThrow(/hunter2/);
  });

  it.each([
    ['TEMPORAL_ADDRESS', '[::1]:7233'],
    ['REDIS_URL', 'redis://:secret@[::1]:6379'],
    ['ACCORD_DATABASE_URL', 'mysql://user:secret@[::1]:3306/accord'],
  ])('takes an IPv6 address in brackets: %s', (name, value) => {
    expect(() => loadTransactionWorkerConfig({ ...worker, [name]: value })).not.toThrow();
  });

  it('listens at an IPv6 address, in brackets or without', () => {
    const listens = (METRICS_HOST: string) =>
      loadTransactionWorkerConfig({ ...worker, METRICS_HOST }).metrics.host;
    expect([listens('[::1]'), listens('::1')]).toEqual(['::1', '::1']);
  });

  it.each([
    ['TEMPORAL_ADDRESS', '::1:7233:x'],
    ['TEMPORAL_ADDRESS', 'host:0'],
    ['TEMPORAL_ADDRESS', 'host:70000'],
    ['ORDERS_DATABASE_URL', 'mysql://user:50%@host:3306/orders'],
    ['ORDERS_DATABASE_URL', 'mysql://user:secret@host:3306'],
    ['REDIS_URL', 'redis://:50%@host:6379'],
    ['REDIS_URL', 'redis://host:6379/zero'],
    ['METRICS_PORT', '65536'],
    ['METRICS_PORT', '0x10'],
    ['STUCK_ALARM_SECONDS', '0'],
    ['FENCE_KEEP_DAYS', '1e1'],
    ['ACCORD_CLUSTER', 'Main'],
    ['ACCORD_CLUSTER', 'eu-1'],
  ])(
    'names a variable that no process could work with, and not its value: %s=%s',
    (name, value) => {
      const load = () => loadTransactionWorkerConfig({ ...worker, [name]: value });
      expect(load).toThrow(new RegExp(`^The configuration is wrong:\n {2}${name}: .+$`));
      expect(load).not.toThrow(/50%@/);
    },
  );

  it('names the variable that is missing, and the one that looks like it', () => {
    const { ORDERS_DATABASE_URL: given, ...others } = worker;
    const load = () => loadTransactionWorkerConfig({ ...others, ORDERS_DATABSE_URL: given });
    expect(load).toThrow(
      'ORDERS_DATABASE_URL: missing; ORDERS_DATABSE_URL is set: is ORDERS_DATABASE_URL meant?',
    );
  });

  it('takes a secret from a file', () => {
    const file = join(folder, 'url');
    writeFileSync(file, `${url('orders')}\n`);
    expect(loadConsumerConfig({ CONSUMER_DATABASE_URL_FILE: file }).databaseUrl).toBe(
      url('orders'),
    );
    expect(() =>
      loadConsumerConfig({ CONSUMER_DATABASE_URL_FILE: join(folder, 'missing') }),
    ).toThrow('CONSUMER_DATABASE_URL_FILE: cannot be read');
  });

  it('reads lists of addresses', () => {
    const config = loadRelayConfig({
      RELAY_DATABASE_URLS: `${url('inventory')}, ${url('accord')}`,
      KAFKA_BROKERS: 'one:9092,two:9092',
    });
    expect(config.databaseUrls).toEqual([url('inventory'), url('accord')]);
    expect(config.kafka.brokers).toEqual(['one:9092', 'two:9092']);
    expect(config.keepSeconds).toBe(7 * 24 * 3_600);
  });

  it('cannot be changed once it is loaded', () => {
    expect(Object.isFrozen(loadTransactionWorkerConfig(worker))).toBe(true);
  });
});
