import { execFileSync } from 'node:child_process';

import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { wasRepeated } from '../../testing/crash-points/repeated';
import { fetchHistory } from '../../testing/replay/sources';

import { anOrder, ownApplication, type OwnApplication } from '../support/application';
import { expectSoundBooks } from '../support/books';
import { eventually } from '../support/eventually';

/** Orders at once, and how often: which of two workers takes a step, nobody decides. */
const crowd = 8;
const crowdsMax = 5;

describe('a worker that dies', () => {
  let application: OwnApplication;
  let accepted = 0;
  const workers = new Set<string>();

  beforeAll(async () => {
    application = await ownApplication();
    await application.start('api');
  }, 60_000);
  afterAll(() => application.close(), 60_000);
  afterEach(async () => {
    for (const name of workers)
      if (application.isRunning(name)) await application.end(name, 'SIGTERM');
    workers.clear();
  }, 60_000);

  const startWorker = (name: string, FAULTS = '') => {
    workers.add(name);
    return application.start('worker', name, { FAULTS });
  };

  const place = async (order: { readonly orderId: string }, waitSeconds?: number) => {
    accepted += 1;
    const options = waitSeconds === undefined ? {} : { waitSeconds };
    await application.request('POST', '/v1/orders', { body: order, ...options });
    return order.orderId;
  };

  const state = async (orderId: string): Promise<unknown> => {
    const { body } = await application.request('GET', `/v1/transactions/order:acme.${orderId}`);
    return body['state'];
  };

  const expectState = (orderId: string, wanted: string, withinMs = 25_000) =>
    eventually(async () => (await state(orderId)) === wanted, {
      withinMs,
      what: `${orderId} ${wanted}`,
    });

  const died = (name: string) =>
    eventually(() => !application.isRunning(name), {
      withinMs: 20_000,
      what: `the death of ${name}`,
    });

  const deliveriesOf = async (
    database: 'inventory' | 'accounts',
    orderId: string,
    branch: string,
  ) => {
    const rows = await application.sql<{ deliveries: number; state: string }>(
      database,
      'SELECT deliveries, state FROM fence WHERE gid = ? AND branch = ?',
      [`order:acme.${orderId}`, branch],
    );
    return rows;
  };

  it.each([
    [
      'its reservation is committed',
      'inventory.reserveStock:afterCommit',
      'inventory',
      'reserveStock',
      'confirmed',
    ],
    [
      'the money is captured',
      'accounts.captureFunds:afterCommit',
      'accounts',
      'captureFunds',
      'acted',
    ],
    [
      'an answer is to be reported',
      'accounts.captureFunds:beforeAck',
      'accounts',
      'captureFunds',
      'acted',
    ],
  ] as const)(
    'after %s: another one learns the stored answer, and the effect is there once',
    async (_, point, database, branch, ends) => {
      await startWorker('armed', `${point}:kill:1`);
      const orderId = await place(anOrder());
      await died('armed');
      expect(await state(orderId)).toBe('running');
      await startWorker('healthy');
      await expectState(orderId, 'completed');
      const [row] = await deliveriesOf(database, orderId, branch);
      expect(row?.state).toBe(ends);
      expect(row?.deliveries).toBeGreaterThan(1);
      await expectSoundBooks(application, accepted);
    },
    60_000,
  );

  /** Crowds of orders, one after the other, until what only one of two workers does has happened. */
  const crowdsUntil = async (
    hasHappened: () => Promise<boolean> | boolean,
    order: () => { readonly orderId: string },
    withinMs: number,
  ): Promise<void> => {
    for (let crowds = 0; crowds < crowdsMax; crowds += 1) {
      const orders = await Promise.all(Array.from({ length: crowd }, () => place(order())));
      for (const orderId of orders) await expectEnded(orderId);
      const seen = await eventually(hasHappened, { withinMs }).catch(() => false);
      if (seen) return;
    }
    throw new Error(`It has not happened in ${crowdsMax} crowds.`);
  };

  it('beside a healthy one: all that both had in hand is completed', async () => {
    await Promise.all([
      startWorker('armed', 'accounts.captureFunds:afterCommit:kill:1'),
      startWorker('healthy'),
    ]);
    await crowdsUntil(() => !application.isRunning('armed'), anOrder, 100);
    expect(await compensated()).toBe(0);
    await expectSoundBooks(application, accepted);
  }, 90_000);

  it('with all others: new ones complete what was under way', async () => {
    await Promise.all([startWorker('one'), startWorker('other')]);
    const orders = await Promise.all(Array.from({ length: crowd }, () => place(anOrder())));
    await Promise.all([application.end('one', 'SIGKILL'), application.end('other', 'SIGKILL')]);
    await startWorker('new');
    for (const orderId of orders) await expectState(orderId, 'completed');
    await expectSoundBooks(application, accepted);
  }, 90_000);

  it('by SIGTERM finishes the step that it holds, and exits with 0', async () => {
    const leaving = application.spawn('worker', {
      // The local attempt fails, so that Temporal shows who holds the step.
      FAULTS:
        'inventory.reserveStock:before:throw-retryable:1;inventory.reserveStock:beforeCommit:delay=1500:1',
    });
    const exited = new Promise((resolve) => leaving.once('exit', resolve));
    const orderId = await place(anOrder());
    await eventually(() => isInHand(orderId, leaving.pid ?? 0), {
      withinMs: 20_000,
      what: 'the step in hand',
    });
    leaving.kill('SIGTERM');
    expect(await exited).toBe(0);
    const acted = { deliveries: 1, state: 'acted' };
    expect(await deliveriesOf('inventory', orderId, 'reserveStock')).toEqual([acted]);
    await startWorker('next');
    await expectState(orderId, 'completed');
    const [row] = await deliveriesOf('inventory', orderId, 'reserveStock');
    expect(row?.deliveries).toBe(1); // No attempt was repeated.
    await expectSoundBooks(application, accepted);
  }, 60_000);

  it('only for a while: when it comes back after the undo it changes nothing', async () => {
    const [zombie] = await Promise.all([
      startWorker('zombie', 'inventory.reserveStock:before:pause=8000:1'),
      startWorker('healthy'),
    ]);
    const stock = await stockOf('S-1');
    const placed: string[] = [];
    const poor = () => {
      const order = anOrder({ account: 'A-POOR', unitPrice: 500 });
      placed.push(order.orderId);
      return order;
    };
    // While the zombie sleeps, the other one tries its step again, and undoes it: the account has no money.
    await crowdsUntil(() => someAsync(placed, wasTriedAgain), poor, 100);
    await eventually(() => !isAsleep(zombie.pid), { withinMs: 20_000, what: 'the zombie awake' });
    const next = await Promise.all([place(poor()), place(poor())]); // By then it has done what it can.
    for (const orderId of next) await expectState(orderId, 'compensated');
    expect(await stockOf('S-1')).toEqual(stock);
    await expectSoundBooks(application, accepted);
  }, 90_000);

  it('with a row in its hands: the undo waits for it, and ends right', async () => {
    await Promise.all([
      startWorker('zombie', 'accounts.holdFunds:beforeCommit:pause=9000:1'),
      startWorker('healthy'),
    ]);
    const undone = `SELECT gid FROM fence WHERE branch = 'holdFunds' AND state IN ('empty', 'undone')`;
    await crowdsUntil(
      async () => (await application.sql('accounts', undone)).length > 0,
      () => anOrder({ deadlineMs: 6_000 }),
      100,
    );
    await expectSoundBooks(application, accepted);
  }, 90_000);

  /** An attempt of the reservation was given up, and another one took its place. */
  const wasTriedAgain = async (orderId: string): Promise<boolean> => {
    const [row] = await application.sql<{ owner: string }>(
      'accord',
      'SELECT owner FROM runs WHERE gid = ?',
      [`order:acme.${orderId}`],
    );
    const { history } = await fetchHistory(application.temporal, row?.owner ?? '');
    return wasRepeated(history, 'inventory.reserveStock');
  };

  /** Stopped by a signal, as the kernel has it. */
  const isAsleep = (pid: number): boolean =>
    execFileSync('ps', ['-o', 'state=', '-p', String(pid)], { encoding: 'utf8' }).startsWith('T');

  const expectEnded = (orderId: string) =>
    eventually(async () => ['completed', 'compensated'].includes(String(await state(orderId))), {
      withinMs: 50_000,
      what: `the ending of ${orderId}`,
    });

  const compensated = async (): Promise<number> =>
    (await application.sql('accord', `SELECT gid FROM runs WHERE state = 'compensated'`)).length;

  const stockOf = (sku: string) =>
    application.sql('inventory', 'SELECT available, frozen, sold FROM stock WHERE sku = ?', [
      `acme.${sku}`,
    ]);

  const isInHand = async (orderId: string, pid: number): Promise<boolean> => {
    const { raw } = await application.temporal.workflow
      .getHandle(`order:acme.${orderId}`)
      .describe();
    return (raw.pendingActivities ?? []).some(
      ({ activityType, lastWorkerIdentity }) =>
        activityType?.name === 'inventory.reserveStock' &&
        lastWorkerIdentity?.startsWith(`${pid}@`) === true,
    );
  };
});

async function someAsync<Item>(
  items: readonly Item[],
  is: (item: Item) => Promise<boolean>,
): Promise<boolean> {
  return (await Promise.all(items.map(is))).includes(true);
}
