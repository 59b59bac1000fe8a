/** npm run demo -- --parked: an order of the running application that only a person can finish. */
import type { Gid } from '../../contracts/engine/ids';
import type { LocalApplication } from '../../testing/environment/local-application';
import { seedTenant } from '../seed';
import { openScene, type Scene, type Start } from './scene';

/** A large one has so much at risk that two persons must decide. */
export const sizes = ['small', 'large'] as const;
export type Size = (typeof sizes)[number];

/** What an operator names to decide. */
export interface ParkedOrder {
  readonly gid: Gid;
  readonly step: string;
  readonly version: number;
}

const orders = {
  small: { account: 'A-1', unitPrice: 1_250 },
  large: { account: 'A-RICH', unitPrice: 1_500_000 },
} as const;
const sku = 'S-1';
const step = 'confirmStock';
/** Whose fence row the step looks at. */
const branch = 'reserveStock';

/** Parks an order after its money was taken; what has stopped it is mended, so that a retry finishes it. */
export async function parkOrder(local: LocalApplication, size: Size): Promise<ParkedOrder> {
  const scene = await openScene(local, seedTenant);
  try {
    const gid = await startAndDamage(scene, startOf(size), orders[size].account);
    const { state, version = 0 } = await scene.settled(gid);
    if (state !== 'parked') throw new Error(`${gid} should be parked, it is ${state}.`);
    await scene.tamper('inventory', gid, branch, 'undone', 'acted');
    return { gid, step, version };
  } finally {
    await scene.close();
  }
}

/** Somebody changes the fence row of the reservation by hand, after the order has reserved and before it confirms. */
async function startAndDamage(scene: Scene, start: Start, account: string): Promise<Gid> {
  const gid = scene.gidOf(start);
  const freeAccount = await scene.lockRow('accounts', 'accounts', account);
  const freeStock = await whileHeld(freeAccount, async () => {
    await scene.start(start, 0);
    await scene.callInHand(gid, 'accounts.holdFunds');
    return scene.lockRow('inventory', 'stock', sku, 'sku');
  });
  await whileHeld(freeStock, async () => {
    await scene.callInHand(gid, `inventory.${step}`);
    await scene.tamper('inventory', gid, branch, 'acted', 'undone');
  });
  return gid;
}

/** Lets go of a lock at the end, however that comes. */
async function whileHeld<Result>(
  free: () => Promise<void>,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work();
  } finally {
    await free();
  }
}

function startOf(size: Size): Start {
  const { account, unitPrice } = orders[size];
  const reference = `O-parked-${Date.now().toString(36)}`;
  const price = { currency: 'EUR', minorUnits: unitPrice };
  return {
    flow: 'order',
    reference,
    path: '/v1/orders',
    body: {
      orderId: reference,
      customerId: 'C-1',
      lines: [{ sku, quantity: 1, unitPrice: price }],
      payment: { accountId: account, amount: price },
    },
  };
}
