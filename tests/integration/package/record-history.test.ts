/** Recordings of a project, as `accord record-history` makes them and `accord replay` takes them. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';

import {
  openNamespace,
  type OwnNamespace,
} from '../../../testing/environment/isolated-environment';
import { checkout, environmentWith } from '../../../testing/stack/config';
import { testStack } from '../../support/stack';

const withinMs = 180_000;
const taskQueue = 'recordings';

/** Ends when it is told to. */
const waits = `
const { condition, defineSignal, setHandler } = require('@temporalio/workflow');
exports.waits = async () => {
  let isOver = false;
  setHandler(defineSignal('end'), () => { isOver = true; });
  await condition(() => isOver);
};`;

/** The bundler needs no more of a project than its workflows. */
const config = `
const { shop } = require(${JSON.stringify(join(checkout, 'contracts', 'shop.ts'))});
exports.project = {
  application: shop,
  implementations: () => ({}),
  migrations: Object.fromEntries(shop.reserving.map((name) => [name, __dirname])),
  workflowsPath: require('node:path').join(__dirname, 'workflows.js'),
};`;

describe('a recording of a run', () => {
  const folder = mkdtempSync(join(tmpdir(), 'accord-recording-'));
  const at = (name: string): string => join(folder, name);
  let namespace: OwnNamespace;
  let client: Client;
  let address: string;

  beforeAll(async () => {
    ({ address } = (await testStack()).temporal);
    namespace = await openNamespace(address, `recording-${randomBytes(4).toString('hex')}`);
    client = new Client({ connection: namespace.connection, namespace: namespace.name });
    symlinkSync(join(checkout, 'node_modules'), at('node_modules')); // The bundler needs Temporal's.
    writeFileSync(at('workflows.js'), waits);
    writeFileSync(at('accord.config.js'), config);
  }, withinMs);
  afterAll(async () => {
    await namespace.drop();
    rmSync(folder, { recursive: true });
  });

  const start = (workflowId: string) =>
    client.workflow.start('waits', { workflowId, taskQueue, args: [] });

  async function ended(workflowId: string): Promise<void> {
    const handle = await start(workflowId);
    await handle.signal('end');
    const connection = await NativeConnection.connect({ address });
    const worker = await Worker.create({
      ...{ connection, namespace: namespace.name, taskQueue },
      workflowsPath: at('workflows.js'),
    });
    await worker.runUntil(handle.result());
    await connection.close();
  }

  /** @returns how the command ended, and its words for people. */
  const accord = (...words: readonly string[]) =>
    promisify(execFile)(
      process.execPath,
      [
        ...['--import', pathToFileURL(require.resolve('tsx')).href],
        ...[join(checkout, 'package', 'cli.ts'), ...words],
      ],
      {
        cwd: folder,
        env: environmentWith({ TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace.name }),
      },
    ).then(
      ({ stderr }) => ({ code: 0, said: stderr }),
      (error: unknown) => {
        const { code, stderr } = error as { readonly code: number; readonly stderr: string };
        return { code, said: stderr };
      },
    );

  it(
    'is made of a run that has ended alone, is never replaced, and is refused where it was touched',
    async () => {
      await ended('trip:demo.T-1');
      await start('trip:demo.T-2');
      expect(await accord('record-history', 'trip:demo.T-2')).toEqual({
        code: 2,
        said: 'trip:demo.T-2 has not ended: its history is recorded when it has.\n',
      });

      expect(await accord('record-history', 'trip:demo.T-1')).toMatchObject({ code: 0 });
      const file = at('histories/trip-demo.T-1.json');
      const recorded = readFileSync(file, 'utf8');
      const list = readFileSync(at('histories.sha256'), 'utf8');
      expect(list).toMatch(/^[0-9a-f]{64} {2}trip-demo\.T-1\.json\n$/);

      expect(await accord('record-history', 'trip:demo.T-1')).toEqual({
        code: 2,
        said: expect.stringContaining('is recorded already, and a recording is never replaced'),
      });
      expect(readFileSync(file, 'utf8')).toBe(recorded);
      expect(readFileSync(at('histories.sha256'), 'utf8')).toBe(list);

      rmSync(at('histories.sha256')); // As if it was cut off before it entered the checksum.
      const again = await accord('record-history', 'trip:demo.T-1', '--to', 'histories/');
      expect(again).toMatchObject({ code: 0 });
      expect(readFileSync(at('histories.sha256'), 'utf8')).toBe(list);

      expect(await accord('replay', '--from', 'histories')).toMatchObject({ code: 0 });
      writeFileSync(file, recorded.replace('waits', 'waited'));
      expect(await accord('replay', '--from', 'histories')).toEqual({
        code: 2,
        said: expect.stringContaining('trip-demo.T-1.json was edited after it was recorded.'),
      });
      rmSync(file);
      expect(await accord('replay', '--from', 'histories')).toEqual({
        code: 2,
        said: expect.stringContaining('trip-demo.T-1.json was recorded, and is gone.'),
      });
    },
    withinMs,
  );
});
