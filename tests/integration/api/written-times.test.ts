import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { rightTime, shiftClock } from '../../support/machine-clock';
import { testIssuer, type TestIssuer } from '../../unit/api/tokens';
import { anOrder, aReference, deadPort, ownApis, type OwnApi, type OwnApis } from './own-api';

/** How far the clock of a machine is off; an API allows for it. */
const wrongByMs = 90_000;
/** More than a test takes from one stamp to the look at it. */
const takesMs = 45_000;
const since = { ms: 200_000, sql: 'INTERVAL 200 SECOND' };

/** By name: how far a time is from MySQL's, in milliseconds. */
type Differences = Readonly<Record<string, number>>;

for (const [name, ms] of [
  ['behind', -wrongByMs],
  ['ahead', wrongByMs],
] as const) {
  describe(`an API whose machine's clock is ${name}`, () => {
    let apis: OwnApis;
    let issuer: TestIssuer;
    let own: OwnApi;
    let alice: string;
    let bob: string;
    let shop: string;
    let putRight: () => void;
    beforeAll(async () => {
      apis = await ownApis();
      issuer = await testIssuer();
      const variables = { ...issuer.variables, TEMPORAL_ADDRESS: deadPort };
      [alice, bob] = [await operator('alice'), await operator('bob')];
      putRight = shiftClock(ms);
      own = await apis.start(variables);
      shop = await own.credential();
    }, 60_000);
    afterAll(async () => {
      putRight();
      await apis.close();
    });

    const operator = async (sub: string): Promise<string> =>
      `Bearer ${await issuer.token({ sub, scope: 'ops ops:breakglass admin:keys tx:read', tenants: ['acme'] })}`;
    const get = async <Body>(as: string, url: string): Promise<Body> =>
      (await own.api.inject({ url, headers: { authorization: as } })).json<Body>();
    const post = async <Body>(as: string, url: string, payload: object = {}): Promise<Body> => {
      const headers = { authorization: as, 'idempotency-key': aReference() };
      const answer = await own.api.inject({ method: 'POST', url, headers, payload });
      expect({ url, body: answer.body, isDone: answer.statusCode < 300 }).toMatchObject({
        isDone: true,
      });
      return answer.json<Body>();
    };
    /** An order that nobody has sent to Temporal. */
    const unsent = async (): Promise<string> => {
      const orderId = aReference();
      await post(shop, '/v1/orders', anOrder(orderId));
      await apis.sql('UPDATE runs SET start_sent_at = NULL WHERE reference = ?', [orderId]);
      return `order:acme.${orderId}`;
    };
    /** MySQL runs on this machine, so this clock is as good as its own. */
    const told = (time: string | undefined): number => Date.parse(time ?? '') - rightTime();
    const kept = async (columns: string, from: string, values: unknown[] = []) => {
      const rows = await apis.sql(
        `SELECT CAST(${columns} AS CHAR) AS what, TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(3), ${from}`,
        values,
      );
      const named = rows.map(({ what, off }) => [String(what), Number(off) * 1_000] as const);
      return Object.fromEntries(named) as Differences;
    };
    const expectRight = (differences: Differences, names: readonly string[]): void => {
      const right = Object.keys(differences).filter(
        (one) => Math.abs(differences[one] ?? NaN) < takesMs,
      );
      expect({ right: right.sort(), differences }).toEqual({
        right: [...names].sort(),
        differences,
      });
    };

    it("ends and books by MySQL's clock", async () => {
      const gid = await unsent();
      await post(shop, `/v1/transactions/${gid}/cancel`);
      const [run] = await apis.sql('SELECT CAST(ending AS CHAR) AS ending FROM runs');
      const { endedAt } = JSON.parse(String(run?.['ending'])) as { endedAt: string };
      const skipped = {
        ...{ step: 'reserveStock', branch: 'reserveStock', decision: 'skip', booked: null },
        ...{ by: 'alice', consent: null, evidence: { kind: 'ticket', ref: 'OPS-1', note: null } },
        amounts: [{ kind: 'stock', sku: 'acme.S-1', quantity: 2 }],
        decidedAt: '2026-01-01T00:00:00.000Z',
      };
      await apis.sql(
        `UPDATE runs SET by_hand = 'open', resolved_by_hand = ?, version = 7 WHERE gid = ?`,
        [JSON.stringify([skipped]), gid],
      );
      const { resolvedByHand } = await post<{
        resolvedByHand: { steps: { booked: { bookedAt: string } }[] };
      }>(alice, `/v1/transactions/${gid}/book`, {
        ...{ step: 'reserveStock', expect: { version: 7 } },
        evidence: { kind: 'booking', ref: 'GL-42' },
      });
      expectRight(
        {
          endedAt: told(endedAt),
          bookedAt: told(resolvedByHand.steps[0]?.booked.bookedAt),
          ...(await kept(`'row'`, 'ended_at) AS off FROM runs WHERE gid = ?', [gid])),
        },
        ['bookedAt', 'endedAt', 'row'],
      );
    });

    it("writes keys and the audit by MySQL's clock", async () => {
      const key = { owner: 'alice', scopes: ['tx:read'] };
      await post(alice, '/v1/api-keys', key);
      const { approval } = await post<{ approval: { id: string } }>(alice, '/v1/api-keys', {
        ...{ ...key, owner: 'carol' },
      });
      await post(bob, `/v1/approvals/${approval.id}/approve`);
      const breakGlass = { reason: 'Nobody else is awake.' };
      await post(alice, '/v1/api-keys', { ...key, owner: 'dave', breakGlass });
      expectRight(
        await kept('owner', `created_at) AS off FROM api_keys WHERE owner <> 'acme-owner'`),
        ['alice', 'carol', 'dave'],
      );
      expectRight(await kept('operation', 'at) AS off FROM audit WHERE gid IS NULL'), [
        'POST /v1/api-keys',
        'POST /v1/approvals/:id/approve',
        'approved createKey',
        'broke the glass for createKey',
      ]);
    });

    it("shows by MySQL's clock for how long something has been so, and when it looked", async () => {
      const gid = await unsent();
      await apis.sql(
        `UPDATE runs SET state = 'running', stuck_since = UTC_TIMESTAMP(3) - ${since.sql} WHERE gid = ?`,
        [gid],
      );
      await apis.sql(
        `INSERT INTO cluster_heartbeats (cluster, acknowledged_us) SELECT cluster,
           TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6) - ${since.sql}) FROM cluster_state`,
      );
      await apis.sql(
        `INSERT IGNORE INTO regions (cluster, region, status, priority, changed_at)
           SELECT cluster, region, 'ACTIVE', 0, UTC_TIMESTAMP(3) FROM cluster_state`,
      );
      const ofCluster = await own.credential('main', ['ops:failover']);
      const run = await get<{ stuckSinceMs: number }>(shop, `/v1/transactions/${gid}`);
      const { items } = await get<{ items: { lagMs: number }[] }>(ofCluster, '/v1/regions');
      const { timestamp } = await get<{ timestamp: string }>(shop, '/healthz');
      const { checkedAt } = await get<{ checkedAt: string }>(alice, '/v1/invariants');
      expectRight(
        {
          stuckSinceMs: run.stuckSinceMs - since.ms,
          lagMs: (items[0]?.lagMs ?? NaN) - since.ms,
          timestamp: told(timestamp),
          checkedAt: told(checkedAt),
        },
        ['checkedAt', 'lagMs', 'stuckSinceMs', 'timestamp'],
      );
    });
  });
}
