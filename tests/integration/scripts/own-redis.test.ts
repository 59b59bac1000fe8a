import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';

import { startNatively } from '../../../testing/stack/bring-up';
import { freePort } from '../../../runtime/ports';
import { isAlive, ownedProcess, stopProcess } from '../../../testing/stack/process';
import { lineProgress } from '../../../testing/stack/progress';
import { redis, regionalRedis } from '../../../testing/stack/servers/redis';
import type { Context, Program, Server } from '../../../testing/stack/servers/server';

const servers = [redis, ...regionalRedis];
const quiet = lineProgress(() => undefined);
const password = 'a-secret-of-this-test';

let parent: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'accord-own-redis-'));
});
afterEach(() => rmSync(parent, { recursive: true, force: true }));

const programOf = async (server: Server): Promise<Program> =>
  Promise.resolve()
    .then(() => server.findOnPath())
    .catch(() => server.fetch(quiet));

async function contextIn(name: string, server: Server): Promise<Context> {
  const folder = join(parent, name);
  mkdirSync(folder);
  const ports = { [server.name]: await freePort() };
  return {
    ...{ profile: 'dev', folder, ports, progress: quiet },
    passwords: { mysql: 'm', redis: password },
  };
}

/** Starts a server, looks at it while it works, and stops it. */
async function withServer(
  server: Server,
  folderName: string,
  look: (context: Context) => Promise<void>,
): Promise<void> {
  const context = await contextIn(folderName, server);
  await startNatively(server, context, await programOf(server));
  const started = ownedProcess(context.folder, server.name);
  try {
    await look(context);
  } finally {
    await stopProcess(context.folder, server.name);
    if (started) expect(isAlive(started.pid, started.startTime)).toBe(false);
  }
}

async function directives(address: string, ...names: readonly string[]): Promise<unknown> {
  const client = new Redis(address);
  try {
    return await client.config('GET', ...(names as [string]));
  } finally {
    client.disconnect();
  }
}

describe.each(servers)('a $title of our own', (server) => {
  it.each(['g[x]', 'a*b?c', 'C# "x"'])(
    'has its configuration in a folder named %s',
    async (name) => {
      await withServer(server, name, async (context) => {
        const found = await directives(server.addressOf(context), 'bind', 'requirepass', 'dir');
        expect(found).toEqual(
          expect.arrayContaining([
            '127.0.0.1',
            password,
            join(context.folder, 'data', server.name),
          ]),
        );
      });
    },
  );

  it('tells no other user of the machine its password', async () => {
    await withServer(server, 'plain', (context) => {
      const { pid } = ownedProcess(context.folder, server.name) ?? { pid: 0 };
      expect(readFileSync(`/proc/${pid}/cmdline`, 'utf8')).not.toContain(password);
      return Promise.resolve();
    });
  });

  it.each(['', '{"name":"redis","pid":'])(
    'is found, and stopped, where its record is damaged: %j',
    async (text) => {
      await withServer(server, 'plain', (context) => {
        const started = ownedProcess(context.folder, server.name);
        writeFileSync(join(context.folder, 'run', `${server.name}.json`), text);
        expect(started).toBeDefined();
        expect(ownedProcess(context.folder, server.name)).toMatchObject({ pid: started?.pid });
        return Promise.resolve();
      });
    },
  );
});
