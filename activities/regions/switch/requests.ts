/** Switches and rejoins of a watch. They are accepted, or wait for approval, as the API does it for persons. */
import { createHash } from 'node:crypto';
import { encodeTime } from 'ulid';

import {
  businessIdOf,
  gidOf,
  operatorFlows,
  type Gid,
  type OperatorFlow,
} from '../../../contracts/engine/ids';
import type { AcceptedSwitch, WantedSwitch, WatchDecision } from '../../../contracts/regions/watch';
import { drainSecondsMax, switchLifeMs } from '../../../contracts/regions/watch';
import type { FailbackInput, FailoverInput } from '../../../contracts/regions/regions';
import { undoBudgetShare, type TransactionInput } from '../../../contracts/engine/transaction';
import { insertAccepted } from '../../fence/accepted-runs';
import type { SqlTransaction } from '../../fence/participant';
import { errnoOf, inSqlTransaction, type SqlPool } from '../../fence/sql-transaction';

/** Operation in the rows of a watch, instead of a route. The rows are counted by it. */
export const operations = { failover: 'watch failover', resync: 'watch resync' } as const;

type Resync = Pick<
  Extract<WatchDecision, { readonly kind: 'resync' }>,
  'epoch' | 'sequence' | 'region' | 'active'
>;

export interface SwitchRequests {
  /** @returns `null`: it has ended, the cluster has moved, or another switch is under way. Safe to repeat. */
  failover(
    wanted: WantedSwitch,
    dataSyncSeconds: number,
  ): Promise<AcceptedSwitch<FailoverInput> | null>;
  /** @returns as `failover`. */
  resync(wanted: Resync): Promise<AcceptedSwitch<FailbackInput> | null>;
  /** Asks for the approval of a person, once for one outage: also after it is decided or expired. */
  ask(wanted: WantedSwitch): Promise<void>;
}

const questionLifeSeconds = 1_800;
const duplicate = 1062;

/**
 * @param accord pool with the rights to number the cluster's switches and to accept runs.
 * @param now clock of `accord`, which has the deadlines: milliseconds since 1970.
 */
export function createSwitchRequests(
  accord: SqlPool,
  cluster: string,
  now: () => number,
): SwitchRequests {
  /** Accepts a switch. Its number comes from a compare-and-set on the row that the decision was based on. */
  async function accept<Input extends TransactionInput>(
    input: Input,
    operation: string,
    at: { readonly epoch: number; readonly sequence: number; readonly region: string },
  ): Promise<AcceptedSwitch<Input> | null> {
    try {
      return await inSqlTransaction(accord, unhurried(), async (sql) => {
        const numbered = await sql.change(
          `UPDATE cluster_state SET sequence = sequence + 1
             WHERE cluster = ? AND sequence = ? AND epoch = ? AND region = ? AND state <> 'failing-over'`,
          [cluster, at.sequence, at.epoch, at.region],
        );
        if (numbered === 0) return await earlier<Input>(sql, input.gid, operation);
        if (await isHeld(sql)) throw new Held();
        const { epoch, region } = at;
        const reference = String(at.sequence + 1);
        await insertAccepted(sql, { input, reference, operation, region, epoch });
        return { gid: input.gid, input };
      });
    } catch (error) {
      if (error instanceof Held) return null;
      throw error;
    }
  }

  async function isHeld(sql: SqlTransaction): Promise<boolean> {
    const open = await sql.select(
      `SELECT gid FROM runs WHERE tenant = ? AND flow IN (?) AND state NOT IN ('completed', 'compensated') LIMIT 1`,
      [cluster, operatorFlows],
    );
    return open.length > 0;
  }

  const inputOf = (flow: OperatorFlow, sequence: number): TransactionInput => ({
    gid: gidOf(flow, businessIdOf(cluster, String(sequence + 1))),
    tenant: cluster,
    flow,
    deadlineAt: now() + switchLifeMs,
    undoBudgetMs: Math.floor(switchLifeMs * undoBudgetShare),
  });

  return {
    failover({ epoch, sequence, from, to, reason }, dataSyncSeconds) {
      const input: FailoverInput = {
        ...inputOf('failover', sequence),
        ...{ cluster, from, to, kind: 'unplanned', epoch, reason },
        dataSyncSeconds: Math.min(dataSyncSeconds, drainSecondsMax),
        lossAllowedMs: 0,
        mayBeginAlone: false,
      };
      return accept(input, operations.failover, { epoch, sequence, region: from });
    },

    resync({ epoch, sequence, region, active }) {
      const input: FailbackInput = {
        ...inputOf('failback', sequence),
        ...{ cluster, region, active, epoch },
      };
      return accept(input, operations.resync, { epoch, sequence, region: active });
    },

    async ask({ epoch, sequence, from, to, reason, force, since }) {
      const { gid } = inputOf('failover', sequence);
      const id = questionIdOf(gid, since);
      const action = {
        ...{ kind: 'failover', gid, failover: 'unplanned', from, to, reason },
        // It allows no loss: only a person may accept a loss of writes.
        ...{ acceptLoss: 0, force, sequence, epoch },
      };
      try {
        await accord.change(
          `INSERT INTO approvals (id, tenant, kind, gid, version, action, rule, asked_by, asked_people, asked_at, expires_at,
               open_digest)
             VALUES (?, ?, 'failover', ?, NULL, ?, 'unplanned_failover', 'watch', '["watch"]', UTC_TIMESTAMP(3),
               UTC_TIMESTAMP(3) + INTERVAL ? SECOND, ?)`,
          [id, cluster, gid, JSON.stringify(action), questionLifeSeconds, digestOf(gid, since)],
        );
      } catch (error) {
        if (errnoOf(error) !== duplicate) throw error;
      }
    },
  };
}

/** Thrown to roll back the number. */
class Held extends Error {}

/** What an earlier delivery of the same decision has accepted. */
async function earlier<Input>(
  sql: SqlTransaction,
  gid: Gid,
  operation: string,
): Promise<AcceptedSwitch<Input> | null> {
  const [run] = await sql.select<{ readonly input: Buffer | null }>(
    'SELECT input FROM runs WHERE gid = ? AND operation = ? AND ended_at IS NULL',
    [gid, operation],
  );
  // `insertAccepted` has written it, so it has this type.
  return run?.input ? { gid, input: JSON.parse(run.input.toString('utf8')) as Input } : null;
}

const digestOf = (gid: Gid, since: number): Buffer =>
  createHash('sha256').update(`watch ${gid} ${since}`).digest();

const crockford = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** A ULID that is the same for the same approval. Its time gives the approval its place in a list. */
export function questionIdOf(gid: Gid, since: number): string {
  const letters = [...digestOf(gid, since).subarray(0, 16)].map((byte) => crockford[byte % 32]);
  return `${encodeTime(since, 10)}${letters.join('')}`;
}

/** Only the limits of the SQL transaction bound it. */
const unhurried = () => ({ signal: new AbortController().signal, deadline: Infinity });
