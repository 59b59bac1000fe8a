import { once } from 'node:events';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { askRouter, RouterEpochOver } from '../../../../activities/regions/router-client';
import { routeNames, type RouterOrder } from '../../../../activities/regions/router-protocol';
import { startRouter, type Router } from '../../../../workers/router/router';
import { checkout, environmentWith } from '../../../../testing/stack/config';
import { freePort } from '../../../../runtime/ports';

const program = join(checkout, 'workers', 'router', 'main.ts');

/** Closed in the reverse order of their opening. */
const closing: (() => unknown)[] = [];
let folder: string;
let ports: Map<string, number>;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'accord-router-'));
  ports = new Map();
  for (const name of routeNames) ports.set(name, await freePort());
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  rmSync(folder, { recursive: true });
});

/** A server that answers each connection with its name. */
async function serverNamed(name: string): Promise<string> {
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', () => socket.write(name));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const routesTo = (target: string) =>
  Object.fromEntries(
    routeNames.map((name) => [name, { port: ports.get(name) ?? 0, target: `tcp://${target}` }]),
  ) as Parameters<typeof startRouter>[0]['routes'];

async function routerTo(target: string): Promise<Router & { readonly control: string }> {
  const router = await startRouter({
    routes: routesTo(target),
    controlPort: 0,
    stateFile: join(folder, 'router.json'),
  });
  closing.push(() => router.close());
  return { ...router, control: `127.0.0.1:${router.port}` };
}

/** A client of the route to the active MySQL. */
function client(): { ask(): Promise<string>; readonly socket: Socket } {
  const socket = connect(ports.get('mysql') ?? 0, '127.0.0.1');
  socket.on('error', () => undefined);
  closing.push(() => socket.destroy());
  const ask = async (): Promise<string> => {
    if (socket.destroyed) return 'reset';
    socket.write('who');
    const answered = once(socket, 'data').then(([data]) => String(data));
    const ended = once(socket, 'close').then(() => 'reset');
    return Promise.race([answered, ended]).catch(() => 'reset');
  };
  return { ask, socket };
}

const order = (told: Omit<Exclude<RouterOrder, { show: true }>, 'routes'>): RouterOrder => ({
  routes: ['mysql'],
  ...told,
});

describe('the router of a cluster', () => {
  it('leads new clients where it is told, and leaves the old ones until they are cut', async () => {
    const { control } = await routerTo(await serverNamed('a'));
    const old = client();
    expect(await old.ask()).toBe('a');
    await askRouter(control, order({ target: await serverNamed('b') }));
    expect(await client().ask()).toBe('b');
    expect(await old.ask()).toBe('a');
    await askRouter(control, order({ cut: true }));
    expect(await old.ask()).toBe('reset');
  });

  it('resets whoever comes to a closed route, and counts them', async () => {
    const { control } = await routerTo(await serverNamed('a'));
    const old = client();
    expect(await old.ask()).toBe('a');
    await askRouter(control, order({ state: 'closed' }));
    expect(await client().ask()).toBe('reset');
    expect(await old.ask()).toBe('a');
    const [route] = await askRouter(control, order({ state: 'open' }));
    expect(route).toMatchObject({ state: 'open', refused: 1, sessions: 1 });
    expect(await client().ask()).toBe('a');
  });

  it('refuses an order of an epoch that is over, for all of its routes', async () => {
    const { control } = await routerTo(await serverNamed('a'));
    await askRouter(control, order({ epoch: 5 }));
    const late: RouterOrder = { routes: ['redis', 'mysql'], state: 'closed', epoch: 4 };
    await expect(askRouter(control, late)).rejects.toThrow(new RouterEpochOver(5));
    const routes = await askRouter(control, { show: true });
    expect(routes.filter(({ state }) => state !== 'open')).toEqual([]);
    await askRouter(control, order({ epoch: 5, state: 'closed' })); // The same one again is obeyed.
  });

  it('comes back as it was told last', async () => {
    const b = await serverNamed('b');
    const first = await routerTo(await serverNamed('a'));
    await askRouter(first.control, order({ target: b, epoch: 7 }));
    await first.close();
    closing.pop();
    const { control } = await routerTo(await serverNamed('c'));
    expect(await client().ask()).toBe('b');
    await expect(askRouter(control, order({ epoch: 6 }))).rejects.toThrow(RouterEpochOver);
  });

  it.each(['', '{"mysql":{"state":"op', '{"mysql":{"state":"ajar"}}'])(
    'ends with one sentence where what it was told last is damaged, and leads nobody anywhere: %j',
    (text) => {
      const state = join(folder, 'router.json');
      writeFileSync(state, text);
      const args = ['--import', 'tsx', program, '--control', '0', '--state', state];
      const routes = JSON.stringify(routesTo('127.0.0.1:1'));
      const { status, signal, stdout, stderr } = spawnSync(process.execPath, args, {
        ...{ env: environmentWith({ ROUTES: routes }), encoding: 'utf8', timeout: 30_000 },
      });
      expect({ status, signal, stdout }).toEqual({ status: 1, signal: null, stdout: '' });
      expect(stderr).toMatch(/^.*router\.json is damaged.* remove it .*\n$/);
      expect(readFileSync(state, 'utf8')).toBe(text);
    },
    60_000,
  );

  it('says what is wrong with an order', async () => {
    const { control } = await routerTo(await serverNamed('a'));
    await expect(askRouter(control, order({ target: 'nowhere' }))).rejects.toThrow('target');
    await expect(askRouter(control, { routes: [] })).rejects.toThrow('routes');
  });
});
