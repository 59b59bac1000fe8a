import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { lineProgress } from '../../../../testing/stack/progress';
import { redis } from '../../../../testing/stack/servers/redis';
import { kafka } from '../../../../testing/stack/servers/kafka';
import type { Context } from '../../../../testing/stack/servers/server';
import { temporal } from '../../../../testing/stack/servers/temporal';

/** SQLite reads what follows # as something else, Kafka makes two folders of a comma, Java needs a locale for the rest. */
const oddName = 'C# demo, josé "x"';

describe('a checkout in a folder with an odd name', () => {
  let parent: string;
  let context: Context;
  beforeEach(() => {
    parent = mkdtempSync(join(tmpdir(), 'accord-folders-'));
    const names = [
      'temporal',
      'temporalUi',
      'temporalMetrics',
      'redis',
      'kafka',
      'kafkaController',
    ];
    context = {
      profile: 'dev',
      folder: join(parent, oddName),
      ports: Object.fromEntries(names.map((name, at) => [name, 1_000 + at])),
      passwords: { mysql: 'm', redis: 'r' },
      progress: lineProgress(() => undefined),
    };
  });
  afterEach(() => rmSync(parent, { recursive: true, force: true }));

  it.each([temporal, redis, kafka])(
    'keeps the data of $title inside: the server is never told the name',
    (server) => {
      const { args, env = {} } = server.launch(context);
      expect([...args, ...Object.values(env)].join(' ')).not.toContain(parent);
    },
  );

  it('has Redis write below the folder where it is started', async () => {
    await redis.prepare(context, { file: '', args: [], version: '' });
    const text = readFileSync(join(context.folder, 'redis.conf'), 'utf8');
    expect(text).toContain('\ndir data/redis\n');
  });

  it('has Kafka started with a locale in which every folder can be named', () => {
    expect(kafka.launch(context).env).toMatchObject({ LC_ALL: 'C.UTF-8' });
  });
});
