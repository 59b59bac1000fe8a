/** The six runs of the demo. What happens in their middle is done from outside; the application knows no demo. */
import type { Gid } from '../../contracts/ids';
import type { OrderRequest, Scene } from './scene';

/** What a run shall come to; a demo that comes to anything else fails. */
export interface PlannedRun {
  readonly title: string;
  readonly order: OrderRequest;
  readonly ending: 'completed' | 'compensated';
  readonly reason: string | null;
  /** Places the order and does what is to happen meanwhile. */
  readonly play: (scene: Scene, order: OrderRequest) => Promise<Played>;
}

export interface Played {
  /** What was done from outside, in sentences. */
  readonly outside: readonly string[];
  readonly killed: boolean;
}

const withinSeconds = 30;
/** The step in whose middle something is done: its account can be locked. */
const heldStep = 'accounts.holdFunds';

const simply: PlannedRun['play'] = async (scene, order) => {
  await scene.place(order, withinSeconds);
  return { outside: [], killed: false };
};

export const plannedRuns: readonly PlannedRun[] = [
  {
    title: 'an order is completed',
    order: { name: 'O-completed', account: 'A-1', sku: 'S-1', quantity: 2, unitPrice: 625 },
    ending: 'completed',
    reason: null,
    play: simply,
  },
  {
    title: 'the stock is not enough',
    order: { name: 'O-no-stock', account: 'A-1', sku: 'S-RARE', quantity: 2, unitPrice: 100 },
    ending: 'compensated',
    reason: 'out_of_stock',
    play: simply,
  },
  {
    title: 'the money is not enough',
    order: { name: 'O-no-money', account: 'A-POOR', sku: 'S-1', quantity: 1, unitPrice: 500 },
    ending: 'compensated',
    reason: 'insufficient_funds',
    play: simply,
  },
  {
    title: 'it is cancelled in the middle',
    order: { name: 'O-cancelled', account: 'A-1', sku: 'S-1', quantity: 3, unitPrice: 200 },
    ending: 'compensated',
    reason: 'cancelled',
    play: cancelled,
  },
  {
    title: 'a worker is killed in the middle',
    order: { name: 'O-killed', account: 'A-2', sku: 'S-1', quantity: 1, unitPrice: 700 },
    ending: 'completed',
    reason: null,
    play: killed,
  },
  {
    title: 'an undo is parked and resolved',
    order: { name: 'O-parked', account: 'A-POOR', sku: 'S-1', quantity: 4, unitPrice: 300 },
    ending: 'compensated',
    reason: 'insufficient_funds',
    play: parked,
  },
];

async function cancelled(scene: Scene, order: OrderRequest): Promise<Played> {
  let cancelling: Promise<unknown> = Promise.resolve();
  const gid = await placeAndHold(scene, order, () => {
    cancelling = scene.cancel(scene.gidOf(order)); // Answered when the step in hand has ended: its outcome is awaited.
    return scene.callInHand(scene.gidOf(order), heldStep, ({ isCancelAsked }) => isCancelAsked);
  });
  await cancelling;
  await scene.settled(gid);
  return {
    outside: [
      `Another session locked the row of ${order.account}, so that holdFunds had to wait.`,
      'POST …/cancel; when it had come to the step, the lock was released.',
    ],
    killed: false,
  };
}

async function killed(scene: Scene, order: OrderRequest): Promise<Played> {
  let victim = 0;
  const gid = await placeAndHold(scene, order, ({ workerPid }) => {
    victim = workerPid;
    process.kill(workerPid, 'SIGKILL');
    return Promise.resolve();
  });
  await scene.settled(gid);
  return {
    outside: [
      `Another session locked the row of ${order.account}: reserveStock was done, holdFunds had to wait.`,
      `The worker that held the step, process ${victim}, got SIGKILL; then the lock was released.`,
    ],
    killed: true,
  };
}

async function parked(scene: Scene, order: OrderRequest): Promise<Played> {
  const branch = 'reserveStock';
  const gid = await placeAndHold(scene, order, () =>
    scene.tamper('inventory', scene.gidOf(order), branch, 'acted', 'confirmed'),
  );
  const { state, version = 0 } = await scene.settled(gid);
  if (state !== 'parked') throw new Error(`${gid} should be parked, it is ${state}.`);
  await scene.tamper('inventory', gid, branch, 'confirmed', 'acted');
  await scene.retry(gid, branch, version);
  await scene.ended(gid);
  return {
    outside: [
      'While holdFunds waited, somebody set the fence row of the reservation to confirmed by hand.',
      'So its undo was an invariant broken: parked. The row was repaired, then POST …/retry.',
    ],
    killed: false,
  };
}

/** Does something while a worker is busy with `holdFunds` and cannot go on, because its row is locked. */
async function placeAndHold(
  scene: Scene,
  order: OrderRequest,
  meanwhile: (call: { readonly workerPid: number }) => Promise<unknown>,
): Promise<Gid> {
  const release = await scene.lockAccount(order.account);
  try {
    const { gid } = await scene.place(order, 0);
    await meanwhile(await scene.callInHand(gid, heldStep));
    return gid;
  } finally {
    await release();
  }
}
