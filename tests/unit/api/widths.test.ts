import { flowNames } from '../../../contracts/flows';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { gidLengthMax, gidOf, partsOfGid } from '../../../contracts/engine/ids';
import { fakeApi, type FakeApi } from './fake-api';
import { operationsOf } from './operations';

/** What a column of the migrations holds: characters of a VARCHAR, bytes of a VARBINARY. */
function widthOf(database: string, table: string, column: string): number {
  const folder = join(__dirname, '../../../scripts/migrations', database);
  const files = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8'));
  const body = new RegExp(`CREATE TABLE IF NOT EXISTS ${table} \\(([^]*?)\\) ENGINE`);
  const created = files.flatMap((text) => body.exec(text)?.[1] ?? []).join('\n');
  const [, width] =
    new RegExp(`^\\s*${column}\\s+VAR(?:CHAR|BINARY)\\((\\d+)\\)`, 'm').exec(created) ?? [];
  return Number(width);
}

describe('what a request may bring', () => {
  let api: FakeApi;
  beforeAll(async () => {
    api = await fakeApi({}, { OPERATIONS_PER_SECOND: '100000' });
  });
  afterAll(() => api.api.close());

  /** What is wrong with a field, by its code; '' where nothing is. */
  const faultOf = async (url: string, body: object, pointer: string): Promise<string> => {
    const headers = { authorization: api.credential(), 'idempotency-key': 'k' };
    const answer = await api.api.inject({ method: 'POST', url, headers, payload: body });
    const { errors = [] } = answer.json<{ errors?: { pointer: string; code: string }[] }>();
    return errors.find((error) => error.pointer === pointer)?.code ?? '';
  };
  const money = { currency: 'EUR', minorUnits: 100 };
  const refund = { kind: 'refund', reason: 'x', amount: money };
  const review = { decision: 'approve' };

  it.each([
    ['a reason', 'accounts', 'refunds', 'reason', '/v1/payments/P-1/refunds?dryRun=true', refund],
    ['a note', 'accounts', 'payment_reviews', 'note', '/v1/payments/P-1/review', review],
    ['a note', 'accord', 'approvals', 'note', '/v1/approvals/Q-1/reject', {}],
  ])('fits its column to the last character: %s, %s.%s.%s', async (...given) => {
    const [, database, table, column, url, body] = given;
    const width = widthOf(database, table, column);
    expect(width).toBeGreaterThan(0);
    for (const letter of ['x', 'ü', '😀']) {
      const at = (length: number) =>
        faultOf(url, { ...body, [column]: letter.repeat(length) }, `/${column}`);
      expect([await at(width), await at(width + 1)]).toEqual(['', 'custom']);
    }
  });

  it('is written into the audit under a name that fits, whatever the route', async () => {
    const width = widthOf('accord', 'audit', 'operation');
    const names = (await operationsOf(api.api)).map(
      ({ method, path }) => `${method} ${path.replace(/\{(\w+)\}/g, ':$1')}`,
    );
    expect(names.length).toBeGreaterThan(40);
    expect(names.filter((name) => name.length > width)).toEqual([]);
  });

  it('is named by no id that its columns could not hold', () => {
    const longest = flowNames.map((flow) => gidOf(flow, `${'t'.repeat(16)}.${'r'.repeat(64)}`));
    expect(longest.filter((gid) => !partsOfGid(gid))).toEqual([]);
    expect(gidLengthMax).toBeLessThanOrEqual(widthOf('accord', 'runs', 'gid'));
    expect(widthOf('accord', 'runs', 'reference')).toBe(64);
    expect(widthOf('accord', 'runs', 'idempotency_key')).toBe(255);
  });
});
