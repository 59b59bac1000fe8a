import { transactionsTopic } from '../../../contracts/engine/events';
import { eventIdOf, type Gid } from '../../../contracts/engine/ids';
import { rowBranch, type TransactionEventType } from '../../../contracts/engine/runs';
import type { Statements } from '../database';

interface TransactionEvent {
  readonly gid: Gid;
  /** What happened to the transaction, past tense; the event is `transaction.<op>`. */
  readonly op: 'accepted' | 'compensated' | 'booked';
  /** The row's version: events of a transaction are in the order of its versions. */
  readonly sequence: number;
  readonly epoch: number;
  readonly data: object;
}

/** Writes events of transactions, in the SQL transaction of what they tell. */
export async function announce(
  sql: Statements,
  ...events: readonly TransactionEvent[]
): Promise<void> {
  await sql.change(
    `INSERT INTO outbox (event_id, gid, branch, op, topic, type, aggregate_id, sequence, payload, epoch)
     VALUES ?`,
    [events.map(rowOf)],
  );
}

const rowOf = ({ gid, op, sequence, data, epoch }: TransactionEvent) => [
  eventIdOf(gid, rowBranch, op, sequence),
  gid,
  rowBranch,
  op,
  transactionsTopic,
  `transaction.${op}` satisfies TransactionEventType,
  gid,
  sequence,
  JSON.stringify(data),
  epoch,
];
