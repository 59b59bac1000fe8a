/** What the API itself writes into a row when a person decides. */
import { moneyAtRisk } from '../../../contracts/engine/money';
import { handStateOf, unbookedAmounts, type Booking } from '../../../contracts/engine/resolutions';
import type { Database, Statements } from '../database';
import { announce } from './events';
import { activeRegion } from './hub';
import type { RunRow } from './rows';

/**
 * Cancels a run that was never sent, by compare-and-set: nothing has run, so nothing is undone.
 * @returns false: it has been sent meanwhile, and must be asked itself.
 */
export const cancelUnsent = (
  database: Database,
  cluster: string,
  { gid, tenant }: Pick<RunRow, 'gid' | 'tenant'>,
  endedAt: Date,
  ending: object,
): Promise<boolean> =>
  database.transaction(async (sql) => {
    const changed = await sql.change(
      `UPDATE runs SET state = 'compensated', reason = 'cancelled', version = version + 1, input = NULL,
         ending = ?, ended_at = ?, start_confirmed_at = UTC_TIMESTAMP(3),
         early_status = IF(flow = 'payment', 'declined', early_status)
       WHERE gid = ? AND tenant = ? AND state = 'accepted' AND start_sent_at IS NULL`,
      [Buffer.from(JSON.stringify(ending)), endedAt, gid, tenant],
    );
    if (changed === 0) return false;
    const { epoch } = await activeRegion(sql, cluster);
    await announce(sql, {
      gid,
      op: 'compensated',
      sequence: 2,
      epoch,
      data: { ...ending, tenant },
    }); // It was version 1.
    return true;
  });

/** Writes down that what a skipped step has left is booked. @returns false: the row has moved. */
export const bookRun = (
  database: Database,
  cluster: string,
  run: RunRow,
  step: string,
  booking: Booking,
): Promise<boolean> => database.transaction((sql) => book(sql, cluster, run, { step, booking }));

/** Writes the booking by compare-and-set of the version, together with its event. */
async function book(
  sql: Statements,
  cluster: string,
  { gid, tenant, flow, state, version, resolvedByHand }: RunRow,
  { step, booking }: { readonly step: string; readonly booking: Booking },
): Promise<boolean> {
  const kept = (resolvedByHand ?? []).map((one) =>
    one.step === step ? { ...one, booked: booking } : one,
  );
  const atRisk = unbookedAmounts(kept);
  const { currency, minor } = moneyAtRisk(atRisk);
  const changed = await sql.change(
    `UPDATE runs SET resolved_by_hand = ?, by_hand = ?, at_risk = ?, at_risk_currency = ?, at_risk_minor = ?,
       version = version + 1
     WHERE gid = ? AND tenant = ? AND version = ? AND by_hand = 'open'`,
    [
      JSON.stringify(kept),
      handStateOf(kept),
      JSON.stringify(atRisk),
      currency,
      minor,
      gid,
      tenant,
      version,
    ],
  );
  if (changed === 0) return false;
  const { epoch } = await activeRegion(sql, cluster);
  const data = { gid, tenant, flow, state, step, booked: booking, atRisk };
  await announce(sql, { gid, op: 'booked', sequence: version + 1, epoch, data });
  return true;
}
