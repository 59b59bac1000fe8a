import type { ReconciliationActivities } from '../../contracts/engine/reconciliation';
import type { KeptSums } from '../../invariants/stored-sums';
import { poolOfParticipant, type FencedDatabases } from '../fence/databases';
import { differingBooks, noteBooks } from './books';
import { closeUnseen, recordFindings } from './findings-store';
import { openRunsBehind } from './open-runs';
import { claimStarts, isCarried, type IsAlive } from './owners';
import { unbookedSteps } from './unbooked-steps';
import { judgeReservations } from './reservations';

export interface ReconciliationDependencies {
  readonly databases: FencedDatabases;
  /** By participant. One that is not named has none. */
  readonly storedSums: Readonly<Record<string, KeptSums>>;
  /** Asks Temporal. */
  readonly isAlive: IsAlive;
}

/** Register them as `reconciliation.<name>`. The participants' own activities do the repairs. */
export function createReconciliationActivities({
  databases,
  storedSums,
  isAlive,
}: ReconciliationDependencies): ReconciliationActivities {
  const { accord } = databases;
  return {
    async beginRound() {
      const [clock] = await accord.select<{ readonly now: string }>(
        'SELECT CAST(UTC_TIMESTAMP(3) AS CHAR) AS now',
      );
      if (!clock) throw new Error('accord tells no time.');
      const participants = Object.keys(databases).filter((one) => one !== 'accord');
      return { since: clock.now, participants };
    },
    reservations: (page) =>
      judgeReservations(accord, poolOfParticipant(databases, page.participant), page),
    openRuns: (page) => openRunsBehind(accord, page),
    unbookedSteps: (page) => unbookedSteps(accord, page),
    claimStarts: ({ gids }) => claimStarts(accord, unhurried(), gids, isAlive),
    isRunning: (gid) => isCarried(accord, gid, isAlive),
    async differingBooks(page) {
      const sums = storedSums[page.participant];
      if (!sums) return { findings: [], seen: null, next: null };
      return differingBooks(accord, poolOfParticipant(databases, page.participant), sums, page);
    },
    async noteBooks({ participant, seen }) {
      await noteBooks(poolOfParticipant(databases, participant), seen);
      return null;
    },
    async record({ findings }) {
      await recordFindings(accord, findings);
      return null;
    },
    async closeUnseen(request) {
      await closeUnseen(accord, request);
      return null;
    },
  };
}

/** Only the limits of the SQL transaction bound it. */
const unhurried = () => ({ signal: new AbortController().signal, deadline: Infinity });
