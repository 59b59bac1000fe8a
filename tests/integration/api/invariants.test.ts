import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { anAccountRow, deadPort, ownApis, type OwnApi, type OwnApis } from './own-api';

interface Answer {
  readonly checkedAt: string;
  readonly ok: boolean;
  readonly checks: readonly {
    readonly id: string;
    readonly database: string | null;
    readonly ok: boolean;
    readonly violations: number;
    readonly sample: readonly { readonly row: Readonly<Record<string, unknown>> }[];
  }[];
}

describe('what operators see of the books', () => {
  let apis: OwnApis;
  let api: OwnApi;

  beforeAll(async () => {
    apis = await ownApis();
    api = await apis.start({ TEMPORAL_ADDRESS: deadPort });
  });
  afterAll(() => apis.close());

  const ask = async (tenant: string, on = api) =>
    on.api.inject({
      url: '/v1/invariants',
      headers: { authorization: await on.credential(tenant) },
    });
  /** Looks again until the answer is no older than this call. */
  async function fresh(tenant: string): Promise<Answer> {
    const since = Date.now();
    for (;;) {
      const answer = await ask(tenant);
      expect(answer.statusCode).toBe(200);
      const body = answer.json<Answer>();
      if (Date.parse(body.checkedAt) >= since) return body;
    }
  }

  it('is every check of SQL, each of them sound, by a user who may read no more than they compare', async () => {
    const { ok, checks } = await fresh('acme');
    expect(ok).toBe(true);
    const ids = new Set(checks.map(({ id }) => id));
    expect([...ids].sort().join(' ')).toBe(
      'A B C C2 D D2 E F F2 F3 G H J K P P2 P3 S S2 S3 V X2 X2b X4 X6',
    );
    expect(checks.length).toBeGreaterThan(40);
  });

  it('counts what is wrong for everybody, and shows the rows of the own tenant alone', async () => {
    for (const id of ['acme.A', 'globex.B', 'globex.C'])
      await apis.insert('accounts.accounts', anAccountRow(id, { balance: 7 }));
    const [own, other, none] = [await fresh('acme'), await fresh('globex'), await fresh('initech')];
    const of = ({ checks }: Answer, id: string) => checks.find((check) => check.id === id);
    for (const answer of [own, other, none]) {
      expect(answer.ok).toBe(false);
      expect(of(answer, 'C')).toMatchObject({ ok: false, violations: 3 });
      expect(of(answer, 'A')).toMatchObject({ ok: false, violations: 1, sample: [] });
    }
    const subjects = (answer: Answer) => of(answer, 'C')?.sample.map(({ row }) => row['subject']);
    expect(subjects(own)).toEqual(['acme.A']);
    expect(subjects(other)?.toSorted()).toEqual(['globex.B', 'globex.C']);
    expect(subjects(none)).toEqual([]);
    expect(JSON.stringify(own)).not.toContain('globex');
  });

  it('is asked once for many who ask at once', async () => {
    const headers = { authorization: await api.credential('acme') };
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => api.api.inject({ url: '/v1/invariants', headers })),
    );
    const rounds = new Set(answers.map((answer) => answer.json<Answer>().checkedAt));
    expect(rounds.size).toBeLessThan(5); // One, unless the machine is so busy that asking takes seconds.
  });

  it('is 503 where the databases do not answer, and where nobody has given their addresses', async () => {
    for (const urls of [`mysql://nobody@${deadPort}/accord`, undefined]) {
      const blind = await apis.start({ API_BOOKS_DATABASE_URLS: urls, TEMPORAL_ADDRESS: deadPort });
      const answer = await ask('acme', blind);
      expect(answer.statusCode).toBe(503);
      expect(answer.json()).toMatchObject({
        code: 'dependency_unavailable',
        retryable: true,
        dependency: 'mysql',
      });
    }
  });
});
