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

/** Writes an event of the transaction, in the SQL transaction of what it tells. */
export async function announce(sql: Statements, event: TransactionEvent): Promise<void> {
  await sql.change(
    `INSERT INTO outbox (event_id, gid, branch, op, topic, type, aggregate_id, sequence, payload, epoch)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    [
      eventIdOf(event.gid, rowBranch, event.op, event.sequence),
      event.gid,
      rowBranch,
      event.op,
      transactionsTopic,
      `transaction.${event.op}` satisfies TransactionEventType,
      event.gid,
      event.sequence,
      JSON.stringify(event.data),
      event.epoch,
    ],
  );
}
