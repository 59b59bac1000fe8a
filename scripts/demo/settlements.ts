/** A settlement: what merchants gained on a day that is over, claimed page by page and netted. */
import { playedOf, type PlannedRun, type Played } from './planned-run';
import type { Scene, Start } from './scene';

const dayMs = 24 * 3_600_000;

/** UTC. What the demo itself takes belongs to today, which is not over: the seed has carried this day over. */
export const yesterday = new Date(Date.now() - dayMs).toISOString().slice(0, 10);
const reference = `EUR-${yesterday}`;

export const plannedSettlements: readonly PlannedRun[] = [
  {
    title: 'what the merchant took yesterday, carried over by the seed, is settled',
    start: {
      flow: 'settlement',
      reference,
      path: '/v1/settlements',
      body: { currency: 'EUR', day: yesterday },
    },
    ending: 'completed',
    reason: null,
    changes: { 'events in accord.accounts': 3 },
    play: reported,
  },
];

async function reported(scene: Scene, start: Start): Promise<Played> {
  const { gid } = await scene.start(start, 30);
  await scene.settled(gid);
  const report = await scene.csv(`/v1/settlements/${reference}/report`);
  return playedOf(gid, {
    seen: ['GET …/report as text/csv:', ...report.trimEnd().split(/\r?\n/)],
  });
}
