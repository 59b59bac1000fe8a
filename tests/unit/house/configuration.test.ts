/** What is written for people about variables, compared with what the processes read. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { z } from 'zod';

import { apiVariables, loadConfig } from '../../../api/config';
import { shopVariables } from '../../../api/shop/config';
import { databases } from '../../../runtime/databases/shop';
import {
  loadConsumerConfig,
  loadRelayConfig,
  loadTransactionWorkerConfig,
  workerVariables,
} from '../../../workers/config';

const checkout = join(__dirname, '..', '..', '..');
const read = (file: string): string => readFileSync(join(checkout, file), 'utf8');

const variables = [
  ...new Set([...apiVariables(shopVariables), ...Object.values(workerVariables()).flat()]),
].sort();

/** Also those that are commented out: they are for some installations alone. */
const lines = [...read('.env.example').matchAll(/^(# )?([A-Z][A-Z0-9_]+)=(.*)$/gm)].map(
  ([, comment, name = '', value = '']) => ({ isSet: comment === undefined, name, value }),
);
const example = Object.fromEntries(
  lines.filter(({ isSet }) => isSet).map(({ name, value }) => [name, value]),
);

describe('.env.example', () => {
  it('has every variable that a process reads, once, and no other', () => {
    expect(lines.map(({ name }) => name).sort()).toEqual(variables);
  });

  it('is a configuration of every process, but for the secrets', () => {
    const given = { ...example, API_SECRET: 'made up for this test, and long enough' };
    expect(() => loadConfig(shopVariables, given)).not.toThrow();
    expect(() => loadTransactionWorkerConfig(given)).not.toThrow();
    expect(() => loadConsumerConfig(given)).not.toThrow();
  });

  it('gives the relay every database that has an outbox', () => {
    const { databaseUrls } = loadRelayConfig(example);
    const named = databaseUrls.map((url) => new URL(url).pathname);
    expect(named.sort()).toEqual(databases.map((name) => `/accord_${name}`).sort());
  });

  it('names the ports that docker-compose.yml publishes by default', () => {
    const { services } = z
      .object({ services: z.record(z.string(), z.object({ ports: z.array(z.string()) })) })
      .parse(parse(read('docker-compose.yml')));
    const published = (name: string): string | undefined =>
      /:-(\d+)\}/.exec(services[name]?.ports[0] ?? '')?.[1];
    const portOf = (url = '') => new URL(url.replace(/^(?=[\d.]+:)/, 'tcp://')).port;
    expect(portOf(example['TEMPORAL_ADDRESS'])).toBe(published('temporal'));
    expect(portOf(example['ACCORD_DATABASE_URL'])).toBe(published('mysql'));
    expect(portOf(example['REDIS_URL'])).toBe(published('redis'));
    expect(portOf(example['KAFKA_BROKERS'])).toBe(published('kafka'));
  });
});

describe('the table of variables in docs/configuration.md', () => {
  it('has every variable that a process reads, once, and no other', () => {
    const [, table = ''] = /## Variables\n([^]*?)\n## /.exec(read('docs/configuration.md')) ?? [];
    const firstColumns = table.split('\n').map((row) => /^\| (.*?) \|/.exec(row)?.[1] ?? '');
    const named = firstColumns.flatMap((column) => column.match(/[A-Z][A-Z0-9_]+/g) ?? []);
    expect(named.sort()).toEqual(variables);
  });
});
