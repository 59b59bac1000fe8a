import { stringify } from 'csv-stringify/sync';

import { withoutTenant } from '../http/schemas';
import type { PositionView, SettlementView } from './stores/settlement-views-store';

export const reportColumns = [
  'settlement',
  'currency',
  'day',
  'status',
  'account',
  'movements',
  'credited',
  'debited',
  'net',
] as const;

/**
 * Lines of a settlement's report (RFC 4180, amounts in minor units), each settlement's own columns repeated in every
 * line. What a spreadsheet would take for a formula is text: an account may be named `=1+1`, and a number is none.
 *
 * @param pages positions by account, a page at a time.
 */
export async function* csvOf(
  { settlementId, currency, day, status }: SettlementView,
  pages: AsyncIterable<readonly PositionView[]>,
): AsyncGenerator<string> {
  yield lineOf([reportColumns]);
  for await (const page of pages) {
    yield lineOf(
      page.map(({ accountId, movements, credited, debited, net }) => [
        withoutTenant(settlementId),
        currency,
        day,
        status,
        withoutTenant(accountId),
        movements,
        ...[credited, debited, net].map(BigInt), // Digits as text would be marked where they are negative.
      ]),
    );
  }
}

const lineOf = (records: readonly (readonly unknown[])[]): string =>
  stringify([...records], { escape_formulas: true, record_delimiter: '\r\n' });
