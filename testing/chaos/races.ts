/**
 * Messages in a hostile order, straight to a participant: an act and its undo at once, and each of them twice. The
 * network may deliver so. A workflow does so only when it gets no answer to an attempt any more; a short run cannot
 * wait for that.
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';

import type { createAccounts as createAccountsOf } from '../../activities/accounts/activities';
import type { Delivery } from '../../activities/fence/delivery';
import type { regionEpoch as regionEpochOf } from '../../activities/fence/epoch';
import type { createFence as createFenceOf } from '../../activities/fence/fence';
import type { createSqlPool as createPoolOf } from '../../activities/fence/sql-transaction';
import { businessIdOf, gidOf, stepKeyOf, type Gid } from '../../contracts/engine/ids';
import { inertFaultPoints, type FaultPoints } from '../../runtime/faults/points';
import { shippedBuild, type Build } from '../environment/application';
import { pause } from '../../runtime/waiting';
import type { IsolatedEnvironment } from '../environment/isolated-environment';
import type { Random } from './random';
import { tenant } from './world';

const races = 60;
const racesAtOnce = 6;
/** Between what an act looked at and what it writes: what a busy server takes. */
const widestMs = 20;
const attemptMs = 8_000;
const attemptsMax = 5;

/** Holds are not measured. */
const measured = () => Promise.reject(new Error('A race measures nothing.'));
const unmetered = { take: measured, giveBack: measured };

export interface Races {
  /** Gids of the races. No workflow runs for them. */
  readonly gids: readonly Gid[];
  /** Acts that came after their undo and were told that they were done, a sentence each. */
  readonly wrong: readonly string[];
}

/** Holds of money that are taken back while they are made, and asked for once more. Behind it none of them is held. */
export async function raceActsAgainstUndos(
  isolated: IsolatedEnvironment,
  { build = shippedBuild, random }: { readonly build?: Build | undefined; readonly random: Random },
): Promise<Races> {
  const wrong: string[] = [];
  const { participant, close } = participantOf(isolated, build, random);
  const gids = Array.from({ length: races }, (_, at) =>
    gidOf('order', businessIdOf(tenant, `race-${at + 1}`)),
  );
  async function race(gid: Gid): Promise<void> {
    const key = stepKeyOf(gid, 'holdFunds');
    const hold = {
      key,
      minEpoch: 0,
      accountId: businessIdOf(tenant, 'A-RICH'),
      amount: { currency: 'EUR', minorUnits: 1 },
    } as const;
    const acting = () => participant.holdFunds([hold]);
    const undoing = () => participant.releaseFunds([{ key, minEpoch: 0 }]);
    const messages = random.shuffled([acting, undoing, acting, undoing]);
    // An answer of the fence, or a failure that a caller would try again: both may be.
    await Promise.allSettled(
      messages.map(async (send) => {
        await pause(random.between(0, widestMs));
        await send();
      }),
    );
    await untilAnswered(undoing);
    const [late] = await untilAnswered(acting);
    if (late?.ok !== false) wrong.push(`${key} was told done behind its undo.`);
  }
  try {
    const left = [...gids];
    const runner = async (): Promise<void> => {
      for (let gid = left.pop(); gid !== undefined; gid = left.pop()) await race(gid);
    };
    await Promise.all(Array.from({ length: racesAtOnce }, runner));
  } finally {
    await close();
  }
  return { gids, wrong };
}

/** A delivery that fails is made again, as Temporal would: a busy machine takes longer than a statement may. */
async function untilAnswered<Verdicts>(deliver: () => Promise<Verdicts>): Promise<Verdicts> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await deliver();
    } catch (error) {
      if (attempt === attemptsMax) throw error;
    }
  }
}

/** The participant of the build under test, in this process, with whatever is planted in it. */
function participantOf(
  isolated: IsolatedEnvironment,
  { folder, nodeArguments }: Build,
  random: Random,
) {
  const load = createRequire(join(folder, 'index.js'));
  const [, preload] = nodeArguments; // `--require` and its file.
  if (preload !== undefined) load(preload);
  const { createSqlPool } = load('./activities/fence/sql-transaction.js') as {
    createSqlPool: typeof createPoolOf;
  };
  const { createFence, inertFenceMetrics } = load('./activities/fence/fence.js') as {
    createFence: typeof createFenceOf;
    inertFenceMetrics: Parameters<typeof createFenceOf>[0]['metrics'];
  };
  const { regionEpoch } = load('./activities/fence/epoch.js') as {
    regionEpoch: typeof regionEpochOf;
  };
  const { createAccounts } = load('./activities/accounts/activities.js') as {
    createAccounts: typeof createAccountsOf;
  };
  const pool = createSqlPool({ url: isolated.urls.ACCOUNTS_DATABASE_URL, connectionLimit: 24 });
  const faults: FaultPoints = {
    ...inertFaultPoints,
    reach: async (_activity, point) => {
      if (point === 'entered') await pause(random.between(0, widestMs));
    },
  };
  const fence = createFence({
    pool,
    epochRow: regionEpoch,
    epochs: { carried: () => Promise.resolve(1), forget: () => undefined },
    faults,
    delivery: aDelivery,
    metrics: inertFenceMetrics,
  });
  return { participant: createAccounts(unmetered)(fence), close: () => pool.close() };
}

const aDelivery = (): Delivery => ({
  signal: new AbortController().signal,
  deadline: performance.now() + attemptMs,
  issuedAt: Date.now(),
  traceparent: null,
});
