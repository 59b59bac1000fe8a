import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { z } from 'zod';

import {
  kafkaHeap,
  kafkaSettings,
  kafkaVariable,
  kafkaVersion,
  mysqlFlags,
  oldestVersion,
  redisFlags,
  temporalCliVersion,
  temporalFlags,
  temporalNamespace,
} from '../../../../testing/stack/settings';

const serviceSchema = z.object({
  image: z.string(),
  command: z.array(z.string()).default([]),
  environment: z.record(z.string(), z.string()).default({}),
  ports: z.array(z.string()),
  volumes: z.array(z.string()),
  healthcheck: z.object({ test: z.array(z.string()) }),
});

const checkout = join(__dirname, '..', '..', '..', '..');
const { services } = z
  .object({
    services: z.object({
      temporal: serviceSchema,
      mysql: serviceSchema,
      redis: serviceSchema,
      kafka: serviceSchema,
    }),
  })
  .parse(parse(readFileSync(join(checkout, 'docker-compose.yml'), 'utf8')));

/** Flags and values in pairs, as neighbours on the command line. */
function pairs(flags: readonly string[]): readonly string[] {
  return flags.slice(1).map((value, index) => `${flags[index] ?? ''} ${value}`);
}

function flagsWithValues(flags: readonly string[]): readonly string[] {
  return pairs(flags).filter((pair) => /^--\S+ (?!--)/.test(pair));
}

describe('docker-compose.yml', () => {
  it('starts Temporal with every flag of the native start', () => {
    const expected = [...temporalFlags(), '--namespace', temporalNamespace];
    expect(pairs(services.temporal.command)).toEqual(
      expect.arrayContaining([...flagsWithValues(expected)]),
    );
  });

  it('gives Temporal no dynamic configuration that the native start lacks', () => {
    const isDynamic = (pair: string): boolean => pair.startsWith('--dynamic-config-value ');
    expect(pairs(services.temporal.command).filter(isDynamic)).toEqual(
      flagsWithValues(temporalFlags()).filter(isDynamic),
    );
  });

  it('starts MySQL with exactly the settings of the native start', () => {
    expect(services.mysql.command).toEqual(mysqlFlags());
  });

  it('starts Redis with every setting of the native start', () => {
    expect(pairs(services.redis.command)).toEqual(
      expect.arrayContaining([...flagsWithValues(redisFlags())]),
    );
  });

  it('starts Kafka with every setting of the native start', () => {
    const { environment } = services.kafka;
    for (const [name, value] of Object.entries(kafkaSettings))
      expect([name, environment[kafkaVariable(name)]]).toEqual([name, value]);
    expect(environment['KAFKA_HEAP_OPTS']).toBe(kafkaHeap);
  });

  it('pins the versions that are built or fetched natively', () => {
    expect(services.temporal.image).toBe(`temporalio/temporal:${temporalCliVersion}`);
    expect(services.kafka.image).toBe(`apache/kafka:${kafkaVersion}`);
    expect(Number.parseFloat(services.mysql.image.replace('mysql:', ''))).toBeGreaterThanOrEqual(
      Number.parseFloat(oldestVersion.mysql),
    );
    expect(Number.parseFloat(services.redis.image.replace('redis:', ''))).toBeGreaterThanOrEqual(
      Number.parseFloat(oldestVersion.redis),
    );
  });

  it('agrees with the recipes about the versions', () => {
    const recipe = (path: string): string =>
      readFileSync(join(checkout, 'testing', 'stack', path), 'utf8');
    expect(recipe('temporal-cli/go.mod')).toContain(
      `github.com/temporalio/cli v${temporalCliVersion}`,
    );
    expect(recipe('kafka/pom.xml')).toContain(`<version>${kafkaVersion}</version>`);
  });

  it('publishes every port on the loopback alone', () => {
    const published = Object.values(services).flatMap(({ ports }) => ports);
    expect(published).toHaveLength(6);
    for (const port of published) expect(port).toMatch(/^127\.0\.0\.1:/);
  });

  it('keeps the data of every server in a volume and checks its health', () => {
    for (const { volumes, healthcheck } of Object.values(services)) {
      expect(volumes).toHaveLength(1);
      expect(healthcheck.test.length).toBeGreaterThan(1);
    }
  });
});
