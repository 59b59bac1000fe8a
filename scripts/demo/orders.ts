/** Orders: a saga, step by step. */
import type { Gid } from '../../contracts/engine/ids';
import {
  euros,
  playedOf,
  simply,
  sumOf,
  type Changes,
  type PlannedRun,
  type Played,
} from './planned-run';
import type { Scene, Start } from './scene';

export interface Purchase {
  readonly account: string;
  readonly sku: string;
  readonly quantity: number;
  readonly unitPrice: number;
  readonly discount?: number;
}

/** The step in whose middle something is done: its account can be locked. */
const heldStep = 'accounts.holdFunds';

const order = (reference: string, { account, sku, quantity, unitPrice }: Purchase): Start => ({
  flow: 'order',
  reference,
  path: '/v1/orders',
  body: {
    orderId: reference,
    customerId: `C-${reference}`, // A customer of its own: none waits for another's lock.
    lines: [{ sku, quantity, unitPrice: euros(unitPrice) }],
    payment: { accountId: account, amount: euros(quantity * unitPrice) },
  },
});

/** Goods to the customer, money to the merchant, and the view of the order agrees. */
export const sale = ({ account, sku, quantity, unitPrice, discount = 0 }: Purchase): Changes => ({
  [`stock ${sku} available`]: -quantity,
  [`stock ${sku} sold`]: quantity,
  [`account ${account} free`]: discount - quantity * unitPrice,
  'account merchant-EUR free': quantity * unitPrice - discount,
  'orders completed': 1,
  'order views completed': 1,
});

/** Reserved and sold; held, consumed and captured; created and completed. */
const saleEvents: Changes = {
  'events in accord.inventory': 2,
  'events in accord.accounts': 3,
  'events in accord.orders': 2,
};
/** Reserved, and given back. */
const stockBack: Changes = { 'events in accord.inventory': 2 };
/** Held, and released. */
const fundsBack: Changes = { 'events in accord.accounts': 2 };

const completed: Purchase = { account: 'A-1', sku: 'S-1', quantity: 2, unitPrice: 625 };
const survivor: Purchase = { account: 'A-2', sku: 'S-1', quantity: 1, unitPrice: 700 };

export const plannedOrders: readonly PlannedRun[] = [
  {
    title: 'an order is completed',
    start: order('O-completed', completed),
    ending: 'completed',
    reason: null,
    changes: sumOf([sale(completed), saleEvents]),
    play: simply,
  },
  {
    title: 'the stock is not enough',
    start: order('O-no-stock', { account: 'A-1', sku: 'S-RARE', quantity: 2, unitPrice: 100 }),
    ending: 'compensated',
    reason: 'out_of_stock',
    changes: {},
    play: simply,
  },
  {
    title: 'the money is not enough',
    start: order('O-no-money', { account: 'A-POOR', sku: 'S-1', quantity: 1, unitPrice: 500 }),
    ending: 'compensated',
    reason: 'insufficient_funds',
    changes: stockBack,
    play: simply,
  },
  {
    title: 'an order is cancelled in the middle',
    start: order('O-cancelled', { account: 'A-1', sku: 'S-1', quantity: 3, unitPrice: 200 }),
    ending: 'compensated',
    reason: 'cancelled',
    changes: sumOf([stockBack, fundsBack]),
    play: (scene, start) => cancelled(scene, start, 'A-1'),
  },
  {
    title: 'a worker is killed in the middle',
    start: order('O-killed', survivor),
    ending: 'completed',
    reason: null,
    changes: sumOf([sale(survivor), saleEvents]),
    play: (scene, start) => killed(scene, start, survivor.account),
  },
  {
    title: 'an undo is parked and resolved',
    start: order('O-parked', { account: 'A-POOR', sku: 'S-1', quantity: 4, unitPrice: 300 }),
    ending: 'compensated',
    reason: 'insufficient_funds',
    changes: stockBack,
    play: (scene, start) => parked(scene, start, 'A-POOR'),
  },
];

async function cancelled(scene: Scene, start: Start, account: string): Promise<Played> {
  let cancelling: Promise<unknown> = Promise.resolve();
  const gid = await startAndHold(scene, start, account, (held) => {
    cancelling = scene.cancel(held); // Answered when the step in hand has ended: its outcome is awaited.
    return scene.callInHand(held, heldStep, ({ isCancelAsked }) => isCancelAsked);
  });
  await cancelling;
  await scene.settled(gid);
  return playedOf(gid, {
    outside: [
      `Another session locked the row of ${account}, so that holdFunds had to wait.`,
      'POST …/cancel; when it had come to the step, the lock was released.',
    ],
  });
}

async function killed(scene: Scene, start: Start, account: string): Promise<Played> {
  let victim = 0;
  const gid = await startAndHold(scene, start, account, (_, workerPid) => {
    victim = workerPid;
    process.kill(workerPid, 'SIGKILL');
    return Promise.resolve();
  });
  await scene.settled(gid);
  return playedOf(gid, {
    outside: [
      `Another session locked the row of ${account}: reserveStock was done, holdFunds had to wait.`,
      `The worker that held the step, process ${victim}, got SIGKILL; then the lock was released.`,
    ],
    killed: true,
  });
}

async function parked(scene: Scene, start: Start, account: string): Promise<Played> {
  const branch = 'reserveStock';
  const gid = await startAndHold(scene, start, account, (held) =>
    scene.tamper('inventory', held, branch, 'acted', 'confirmed'),
  );
  const { state, version = 0 } = await scene.settled(gid);
  if (state !== 'parked') throw new Error(`${gid} should be parked, it is ${state}.`);
  await scene.tamper('inventory', gid, branch, 'confirmed', 'acted');
  await scene.retry(gid, branch, version);
  await scene.ended(gid);
  return playedOf(gid, {
    outside: [
      'While holdFunds waited, somebody set the fence row of the reservation to confirmed by hand.',
      'So its undo was an invariant broken: parked. The row was repaired, then POST …/retry.',
    ],
  });
}

/** Does something while a worker is busy with `holdFunds` and cannot go on, because its row is locked. */
async function startAndHold(
  scene: Scene,
  start: Start,
  account: string,
  meanwhile: (gid: Gid, workerPid: number) => Promise<unknown>,
): Promise<Gid> {
  const release = await scene.lockRow('accounts', 'accounts', account);
  try {
    const { gid } = await scene.start(start, 0);
    const { workerPid } = await scene.callInHand(gid, heldStep);
    await meanwhile(gid, workerPid);
    return gid;
  } finally {
    await release();
  }
}
