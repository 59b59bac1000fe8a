import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import type { Claim, NewRun, Outcomes } from '../../../api/stores/runs/acceptance';
import { inertFaultPoints } from '../../../runtime/faults/points';
import { eventually } from '../../support/eventually';
import { anOrder, aReference, aStart, ownApis, type OwnApi, type OwnApis } from './own-api';

let apis: OwnApis;
let api: OwnApi;

beforeAll(async () => {
  apis = await ownApis();
  api = await apis.start();
});
afterAll(async () => {
  release();
  await apis.close();
});

const starts = (count: number): NewRun[] => Array.from({ length: count }, () => aStart());
const acceptSet = (runs: readonly NewRun[], { on = api, isSent = true } = {}) =>
  on.dependencies.runs.acceptSet(runs, { isSent });

const kindsOf = (outcomes: Outcomes): (Claim['kind'] | 'refused')[] =>
  outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value.kind : 'refused'));

/** Rows and `accepted` events of these references. */
async function written(references: readonly string[]) {
  const [row] = await apis.sql(
    `SELECT (SELECT COUNT(*) FROM runs WHERE reference IN (?)) AS accepted,
            (SELECT COUNT(*) FROM outbox WHERE type = 'transaction.accepted' AND gid IN
              (SELECT gid FROM runs WHERE reference IN (?))) AS events`,
    [references, references],
  );
  return { rows: Number(row?.['accepted']), events: Number(row?.['events']) };
}
const referencesOf = (runs: readonly NewRun[]) => runs.map(({ reference }) => reference);

describe('three hundred starts at once', () => {
  it('are answered as each would be alone, doubles, reused keys and other tenants among them', async () => {
    const tenants = ['acme', 'globex', 'initech'];
    const credentials = await Promise.all(tenants.map((tenant) => api.credential(tenant)));
    const references = Array.from({ length: 25 }, () => aReference());
    const post = (authorization: string, key: string, orderId: string, customerId: string) =>
      untilTaken(() =>
        api.api.inject({
          method: 'POST',
          url: '/v1/orders',
          headers: { authorization, 'idempotency-key': key },
          payload: anOrder(orderId, { customerId }),
        }),
      );
    const groups = credentials.flatMap((authorization) =>
      references.map((reference) => ({ authorization, reference })),
    );
    const answers = await Promise.all(
      groups.map(({ authorization, reference }) => {
        const first = () => post(authorization, reference, reference, 'C-7');
        return Promise.all([
          first(),
          first(),
          post(authorization, reference, reference, 'C-8'),
          post(authorization, `${reference}-other`, reference, 'C-7'),
        ]);
      }),
    );
    const outcomes = answers.map((group) =>
      group.map(({ statusCode, headers, json }) => {
        const isReplay = headers['idempotent-replayed'] === 'true';
        return isReplay ? 'replayed' : (json<{ code?: string }>().code ?? String(statusCode));
      }),
    );
    for (const outcome of outcomes) expect(possible).toContainEqual(outcome);
    expect(await written(references)).toEqual({ rows: 75, events: 75 });
    const [sets] = await apis.sql(
      'SELECT COUNT(DISTINCT acceptance) AS n, COUNT(acceptance) AS inSets FROM runs WHERE reference IN (?)',
      [references],
    );
    expect(Number(sets?.['inSets'])).toBeGreaterThan(2 * Number(sets?.['n'])); // They did come as sets.
    const states = await apis.sql('SELECT DISTINCT state FROM runs WHERE reference IN (?)', [
      references,
    ]);
    expect(states).toEqual([{ state: 'running' }]);
  });

  /** What becomes of one request, its double, another body under its key, and another key for its reference. */
  const possible = [
    ['202', 'replayed', 'idempotency_key_reused', 'transaction_exists'],
    ['replayed', '202', 'idempotency_key_reused', 'transaction_exists'],
    ['idempotency_key_reused', 'idempotency_key_reused', '202', 'transaction_exists'],
    ['transaction_exists', 'transaction_exists', 'transaction_exists', '202'],
  ];
});

describe('a set', () => {
  it('is answered in its order: doubles as later repeats of the first', async () => {
    const earlier = aStart();
    await acceptSet([earlier]);
    const first = aStart();
    const outcomes = await acceptSet([
      earlier,
      first,
      { ...first },
      { ...first, ...otherContent() },
      aStart({ idempotencyKey: `${first.reference}-other` }, first.reference),
      aStart({ idempotencyKey: first.idempotencyKey }),
      aStart(),
    ]);
    expect(kindsOf(outcomes).join()).toBe(
      'attached,accepted,attached,reused,exists,reused,accepted',
    );
    expect(await written(referencesOf([first]))).toEqual({ rows: 1, events: 1 });
  });

  it('accepts each start once that two processes are given at once', async () => {
    const other = await apis.start();
    for (let round = 0; round < 5; round += 1) {
      const runs = starts(100);
      const both = await Promise.all([
        acceptSet(runs),
        acceptSet([...runs].reverse(), { on: other }).then((outcomes) => [...outcomes].reverse()),
      ]);
      const [mine = [], theirs = []] = both.map(kindsOf);
      const pairs = runs.map((_, at) => [mine[at], theirs[at]].sort().join());
      expect(new Set(pairs)).toEqual(new Set(['accepted,attached']));
      expect(await written(referencesOf(runs))).toEqual({ rows: 100, events: 100 });
    }
  });

  it('loses only the start that MySQL refuses', async () => {
    const runs = [...starts(5), aStart({ reference: 'R'.repeat(65) }), ...starts(5)];
    const kinds = kindsOf(await acceptSet(runs));
    expect(kinds.filter((kind) => kind === 'accepted')).toHaveLength(10);
    expect(kinds[5]).toBe('refused');
    expect(await written(referencesOf(runs))).toEqual({ rows: 10, events: 10 });
  });

  it('tells only that start to come again whose key is not committed elsewhere', async () => {
    const runs = starts(10);
    const [, held] = runs;
    await acceptSet([held as NewRun]);
    await apis.sql('START TRANSACTION');
    await apis.sql('UPDATE runs SET idempotency_key = ? WHERE reference = ?', [
      runs[5]?.idempotencyKey,
      held?.reference,
    ]);
    const outcomes = await acceptSet(runs).finally(() => apis.sql('ROLLBACK'));
    expect(kindsOf(outcomes)).toEqual(
      runs.map((_, at) => ({ 1: 'attached', 5: 'inProgress' })[at] ?? 'accepted'),
    );
    expect(await written(referencesOf(runs))).toEqual({ rows: 9, events: 9 });
  });

  it('is refused as a whole while a region is being switched, and what was taken in before is answered', async () => {
    const before = aStart();
    await acceptSet([before]);
    const runs = starts(3);
    await apis.sql(`UPDATE cluster_state SET state = 'failing-over' WHERE cluster = 'main'`);
    const outcomes = await acceptSet([before, ...runs]).finally(() =>
      apis.sql(`UPDATE cluster_state SET state = 'steady' WHERE cluster = 'main'`),
    );
    expect(kindsOf(outcomes)).toEqual(['attached', 'switching', 'switching', 'switching']);
    expect(await written(referencesOf(runs))).toEqual({ rows: 0, events: 0 });
  });
});

describe('a process that dies', () => {
  it.each(['between COMMIT and send', 'between send and confirmation'])(
    '%s leaves its set to the starter of another one',
    async (diesAt) => {
      const dying = await apis.start();
      const runs = starts(20);
      expect(new Set(kindsOf(await acceptSet(runs, { on: dying })))).toEqual(new Set(['accepted']));
      if (diesAt === 'between send and confirmation')
        await Promise.all(runs.map(({ input }) => dying.dependencies.temporal.start(input)));
      const another = await apis.start();
      another.starter.begin();
      await eventually(async () => {
        const left = await apis.sql(
          `SELECT 1 FROM runs WHERE reference IN (?) AND (state <> 'running' OR start_confirmed_at IS NULL)`,
          [referencesOf(runs)],
        );
        return left.length === 0;
      });
      await another.starter.stop();
      expect(await written(referencesOf(runs))).toEqual({ rows: 20, events: 20 });
    },
  );

  it('while it sends has told nobody that nothing runs: its rows are cancelled by nobody but their runs', async () => {
    const run = aStart();
    await acceptSet([run]);
    expect(await cancelled(run)).toBe(false);
  });
});

describe('a start that was never sent', () => {
  it('can be cancelled by its row alone again, once its mark is given back', async () => {
    const { run, sentAt } = await sentRow();
    await api.dependencies.runs.giveBackUnsent([
      { owner: run.input.gid, input: run.input, sentAt },
    ]);
    expect(await cancelled(run)).toBe(true);
  });

  it('keeps the mark that another process has set meanwhile', async () => {
    const { run, sentAt } = await sentRow();
    await eventually(() => api.dependencies.runs.claimSending(run.input.gid, sentAt));
    await api.dependencies.runs.giveBackUnsent([
      { owner: run.input.gid, input: run.input, sentAt },
    ]);
    expect(await cancelled(run)).toBe(false);
  });

  it('is counted by the backlog when it is due, not while it is being sent', async () => {
    const run = aStart();
    const before = await api.dependencies.runs.backlog(1_000);
    await acceptSet([run]);
    expect(await api.dependencies.runs.backlog(1_000)).toBe(before);
    await apis.sql(
      'UPDATE runs SET start_sent_at = start_sent_at - INTERVAL 4 SECOND WHERE reference = ?',
      [run.reference],
    );
    expect(await api.dependencies.runs.backlog(1_000)).toBe(before + 1);
  });
});

describe('a process with too much in hand', () => {
  it('refuses one tenant with a time to come back, writes no row, and still takes starts of another', async () => {
    let inHand = 0;
    const reach = (_: string, point: string, gids?: () => readonly string[]) => {
      if (point !== 'begun' || !gids?.()[0]?.includes(':acme.')) return Promise.resolve();
      inHand += 1;
      return held;
    };
    const full = await apis.start(
      { STARTS_IN_HAND_MAX: '8' },
      { faults: { ...inertFaultPoints, reach } },
    );
    const acme = await api.credential('acme');
    const globex = await api.credential('globex');
    const post = (authorization: string, orderId: string) =>
      full.api.inject({
        method: 'POST',
        url: '/v1/orders',
        headers: { authorization, 'idempotency-key': orderId },
        payload: anOrder(orderId),
      });
    for (let n = 0; n < 4; n += 1) void post(acme, aReference());
    await eventually(() => inHand === 4);
    const orderId = aReference();
    const refused = await post(acme, orderId);
    expect(refused.json()).toMatchObject({ code: 'overloaded', retryable: true });
    expect(Number(refused.headers['retry-after'])).toBeGreaterThanOrEqual(1);
    expect((await post(globex, aReference())).statusCode).toBe(202);
    expect(await written([orderId])).toEqual({ rows: 0, events: 0 });
  });
});

/** Nobody gets past this before the tests are over. */
let release: () => void = () => undefined;
const held = new Promise<void>((resolve) => (release = resolve));

const otherContent = () => ({ fingerprint: { digest: randomBytes(32), fields: {} } });

async function sentRow() {
  const run = aStart();
  const [outcome] = await acceptSet([run]);
  if (outcome?.status !== 'fulfilled' || outcome.value.kind !== 'accepted' || !outcome.value.sentAt)
    throw new Error('It was not accepted as sent.');
  return { run, sentAt: outcome.value.sentAt };
}

const cancelled = ({ input }: NewRun): Promise<boolean> =>
  api.dependencies.runs.cancelUnsent(input.gid, input.tenant, new Date(), { outcome: 'cancelled' });

/** Comes again where it is told to: the first request with the key is not committed yet, or a statement was late. */
async function untilTaken<Answer extends { statusCode: number; body: string }>(
  ask: () => Promise<Answer>,
): Promise<Answer> {
  for (;;) {
    const answer = await ask();
    const isEarly = answer.body.includes('"idempotency_in_progress"');
    if (answer.statusCode !== 503 && !isEarly) return answer;
  }
}
