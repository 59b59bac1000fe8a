import { describe, expect, it } from '@jest/globals';

import type { StepView, Timeline } from '../../../contracts/engine/transaction';
import { dependencyUnavailable } from '../../../api/http/errors';
import type { Scope } from '../../../api/http/scopes';
import type { Temporal } from '../../../api/transactions/temporal';
import { endingOf } from '../../../workflows/kernel/ending';
import type { StepRecord } from '../../../workflows/kernel/run';
import { createRun } from '../../../workflows/kernel/run';
import { aRun, anEndedRun, aTemporal, fakeApi } from './fake-api';
import { standingClock } from '../../support/clocks';

const aTimeline = (more: Partial<Timeline> = {}): Timeline => ({
  gid: 'order:acme.O-1',
  state: 'undoing',
  pivotPassed: false,
  step: 'holdFunds',
  steps: [
    {
      name: 'holdFunds',
      kind: 'compensable',
      key: 'order:acme.O-1/holdFunds',
      state: 'undoing',
      startedAt: 1_000,
      endedAt: null,
      fence: 'first',
      failure: null,
      detail: null,
    },
  ],
  parked: [],
  atRisk: [{ kind: 'hold', currency: 'EUR', minorUnits: 1250 }],
  reason: {
    code: 'out_of_stock',
    type: 'OutOfStock',
    step: 'reserveStock',
    detail: 'S-1: 2 asked, 1 left',
  },
  notes: [{ at: 2_000, text: 'alice asked for a cancel.' }],
  notesLeftOut: 0,
  resolvedByHand: [],
  approvals: [],
  reviewUntil: null,
  epoch: 1,
  wasReset: true,
  ...more,
});

describe('GET /v1/transactions/:gid/explain', () => {
  const explain = async (
    timeline: () => Promise<Timeline | undefined>,
    run = aRun({ state: 'undoing' }),
    activity = 'accounts.releaseFunds',
    more: { readonly scopes?: readonly Scope[]; readonly temporal?: Partial<Temporal> } = {},
  ) => {
    const lastFailure = { type: 'unknown', text: 'connect ECONNREFUSED 10.0.0.7:3306' };
    const pending = [{ activity, attempt: 7, lastFailure }];
    const api = await fakeApi({
      temporal: aTemporal({
        timeline,
        pendingCalls: () => Promise.resolve(pending),
        ...more.temporal,
      }),
    });
    api.rows.set(run.gid, run);
    const answer = await api.api.inject({
      url: `/v1/transactions/${run.gid}/explain`,
      headers: { authorization: api.credential('acme', more.scopes ?? ['tx:read']) },
    });
    await api.api.close();
    return answer;
  };

  it('tells the steps as the run knows them, with the attempts that only Temporal sees', async () => {
    const answer = await explain(() => Promise.resolve(aTimeline()));
    expect(answer.json()).toMatchObject({
      source: 'run',
      summary:
        'Being undone, at holdFunds, because of out_of_stock at reserveStock: S-1: 2 asked, 1 left.',
      steps: [
        {
          key: 'order:acme.O-1/holdFunds',
          startedAt: '1970-01-01T00:00:01.000Z',
          attempts: [{ activity: 'accounts.releaseFunds', count: 7, lastFailure: 'unknown' }],
        },
      ],
      atRisk: [{ kind: 'hold', minorUnits: 1250 }],
      notes: [{ text: 'alice asked for a cancel.' }],
      wasReset: true,
    });
  });

  it('says until when a person may decide on a review', async () => {
    const answer = await explain(() =>
      Promise.resolve(aTimeline({ state: 'running', reason: null, reviewUntil: 3_600_000 })),
    );
    expect(answer.json()).toMatchObject({
      summary: 'In review: waits for a person until 1970-01-01T01:00:00.000Z.',
      reviewUntil: '1970-01-01T01:00:00.000Z',
    });
  });

  it('gives the attempts to the step that is being tried, of its own participant alone', async () => {
    const [step] = aTimeline().steps;
    const steps = [
      ['claim-1', 'done'],
      ['claim-2', 'running'],
    ].map(([name, state]) => ({ ...step, name, state }) as StepView);
    const gid = 'settlement:acme.EUR-2026-01-01';
    const settlement = aRun({ gid, flow: 'settlement' });
    for (const [participant, attempts] of [
      ['accounts', [[], [{ count: 7 }]]],
      ['orders', [[], []]],
    ] as const) {
      const answer = await explain(
        () => Promise.resolve(aTimeline({ steps })),
        settlement,
        `${participant}.claimSettlementPage`,
      );
      expect(answer.json()).toMatchObject({ steps: attempts.map((one) => ({ attempts: one })) });
    }
  });

  it('says what a parked one waits for', async () => {
    const decision = {
      step: 'releaseStock',
      reason: 'undo_failed',
      detail: 'No such row.',
      failures: 1,
    } as const;
    const parked = [
      { ...decision, decisions: ['retry', 'done', 'skip'] as const, parkedAt: 3_000 },
    ];
    const answer = await explain(() => Promise.resolve(aTimeline({ state: 'parked', parked })));
    expect(answer.json()).toMatchObject({
      summary:
        'Waits for a decision on releaseStock (undo_failed: No such row.); at risk: 12.50 EUR.',
      parked: [{ decisions: ['retry', 'done', 'skip'], parkedAt: '1970-01-01T00:00:03.000Z' }],
    });
  });

  it('is told of an ended run from its row, and Temporal is not asked', async () => {
    const ended = anEndedRun(
      JSON.stringify({
        outcome: 'compensated',
        reason: { code: 'cancelled', step: 'holdFunds', detail: 'Asked by alice.' },
        steps: [
          {
            ...{ name: 'holdFunds', state: 'undone', fence: 'empty', failure: null, detail: null },
            startedAt: '2026-01-01T00:00:00.000Z',
            endedAt: '2026-01-01T00:00:01.000Z',
            calls: [{ activity: 'accounts.holdFunds', attempts: 3 }],
          },
        ],
        notes: [{ at: '2026-01-01T00:00:00.500Z', text: 'alice asked for a cancel.' }],
        wasReset: true,
      }),
    );
    const never = () => Promise.reject(new Error('Temporal was asked.'));
    const temporal = { pendingCalls: never, closedSteps: never };
    const answer = await explain(never, ended, undefined, {
      temporal,
      scopes: ['tx:read', 'ops:read'],
    });
    expect(answer.json()).toMatchObject({
      source: 'ending',
      steps: [{ attempts: [{ activity: 'accounts.holdFunds', count: 3, lastFailure: null }] }],
      notes: [{ text: 'alice asked for a cancel.' }],
      wasReset: true,
    });
  });

  describe('of a transaction of a batch', () => {
    const batch = 'batch/order/1';
    const inBatch = aRun({ state: 'undoing', lane: 'batch', owner: batch });
    /** Only this workflow carries the transaction. */
    const carriedBy = (carrier: string): Partial<Temporal> => ({
      timeline: (_, owner) => Promise.resolve(owner === carrier ? aTimeline() : undefined),
      pendingCalls: (owner) =>
        Promise.resolve([
          { activity: 'accounts.releaseFunds', attempt: null, lastFailure: null },
        ]).then((calls) => (owner === carrier ? calls : [])),
    });
    const explainWhere = (temporal: Partial<Temporal>, run = inBatch) =>
      explain(() => Promise.resolve(undefined), run, undefined, {
        temporal,
        scopes: ['tx:read', 'ops:read'],
      });

    it.each([
      ['its batch', batch],
      ['its own workflow, where it has just left', inBatch.gid],
    ])('comes from %s', async (_, carrier) => {
      const answer = await explainWhere(carriedBy(carrier));
      expect(answer.json()).toMatchObject({
        source: 'run',
        steps: [{ attempts: [{ activity: 'accounts.releaseFunds', count: null }] }],
      });
    });

    it('comes from its row where neither carries it', async () => {
      expect((await explainWhere(carriedBy('nobody'))).json()).toMatchObject({ source: 'row' });
    });

    it('comes from its ending once it has ended: the result of a batch has no steps', async () => {
      const step = { name: 'holdFunds', state: 'unknown', failure: 'unknown', endedAt: null };
      const steps = [{ ...step, startedAt: '2026-01-01T00:00:00.000Z' }];
      const ended = anEndedRun(JSON.stringify({ reason: null, steps }), {
        ...{ lane: 'batch', owner: batch },
      });
      const never = () => Promise.reject(new Error('Temporal was asked.'));
      const asked = { timeline: never, pendingCalls: never, closedSteps: never };
      const answer = await explainWhere(asked, ended);
      expect(answer.json()).toMatchObject({ source: 'ending', steps: [{ text: null }] });
    });
  });

  it('is read from an ending that an older build wrote', async () => {
    const ended = anEndedRun(
      '{"gid":"x","outcome":"compensated","reason":null,"steps":[{"strange":1}]}',
    );
    const answer = await explain(() => Promise.resolve(undefined), ended);
    expect(answer.json()).toMatchObject({ source: 'ending', steps: [], notes: [] });
  });

  describe('that a step waited for a person', () => {
    const parking = {
      ...({ times: 3, firstAt: 1_000, lastAt: 2_000, reason: 'finish_failed' } as const),
      ...({ failure: 'InvariantBroken', detail: 'Not taken.', text: 'accounts_chk_2' } as const),
      lastDecision: { decision: 'retry', by: 'olga', at: 3_000 } as const,
    };
    const told = {
      ...{ ...parking, firstAt: '1970-01-01T00:00:01.000Z', lastAt: '1970-01-01T00:00:02.000Z' },
      lastDecision: { decision: 'retry', by: 'olga', at: '1970-01-01T00:00:03.000Z' },
    };
    const [open] = aTimeline().steps;
    const steps = [{ ...open, state: 'done', parking } as StepView];
    const run = createRun(
      { gid: 'order:acme.O-1', tenant: 'acme', flow: 'order', deadlineAt: 0, undoBudgetMs: 0 },
      { clock: standingClock(1_000), wasReset: false },
    );
    run.state = 'completed';
    run.steps.set('holdFunds', {
      ...{ ...open, state: 'done', effect: open?.key, atRisk: [], text: null, wasCalled: true },
      ...{ calls: {}, parking, undo: undefined, interrupt: undefined },
    } as StepRecord);

    it.each([
      ['a run that is open', aRun({ state: 'running' })],
      ['a run that has ended', anEndedRun(endingOf(run, 4_000))],
    ])(
      'is told of one that has succeeded since, what was said of it to operators alone: %s',
      async (_, row) => {
        const timeline = () => Promise.resolve(aTimeline({ steps }));
        for (const [scopes, text] of [
          [['tx:read'], null],
          [['tx:read', 'ops:read'], parking.text],
        ] as const) {
          const temporal = { closedSteps: () => Promise.resolve(steps) };
          const answer = await explain(timeline, row, undefined, { temporal, scopes });
          expect(answer.json()).toMatchObject({
            steps: [{ failure: null, parking: { ...told, text } }],
          });
        }
      },
    );

    it('is not told of one that never did', async () => {
      const answer = await explain(() => Promise.resolve(aTimeline()));
      expect(answer.json()).toMatchObject({ steps: [{ parking: null }] });
    });
  });

  describe('what a driver or a server said', () => {
    const said = 'connect ECONNREFUSED 10.0.0.7:3306';
    const failed = { state: 'unknown', failure: 'unknown', detail: 'No answer came.' } as const;
    const [step] = aTimeline().steps;
    const steps = [{ ...step, ...failed, text: said } as StepView];
    const ended = anEndedRun(
      JSON.stringify({
        outcome: 'compensated',
        reason: null,
        steps: [
          {
            ...{ name: 'holdFunds', fence: null, ...failed },
            startedAt: '2026-01-01T00:00:00.000Z',
            endedAt: null,
          },
        ],
      }),
    );
    const temporal = { closedSteps: () => Promise.resolve(steps) };

    it.each([
      ['a run that is open', aRun({ state: 'undoing' })],
      ['a run that has ended', ended],
    ])('is told to operators, and never to a tenant: %s', async (_, run) => {
      const timeline = () => Promise.resolve(aTimeline({ steps }));
      const tenant = await explain(timeline, run, undefined, { temporal });
      expect(tenant.json()).toMatchObject({ steps: [{ failure: 'unknown', text: null }] });
      expect(tenant.body).not.toContain('ECONNREFUSED');
      const scopes = ['tx:read', 'ops:read'] as const;
      const operator = await explain(timeline, run, undefined, { temporal, scopes });
      expect(operator.json()).toMatchObject({ steps: [{ failure: 'unknown', text: said }] });
    });

    it('of a call that succeeded later is told to operators as well, and its type to everybody', async () => {
      const calls = [{ activity: 'accounts.holdFunds', attempts: 2, lastFailure: 'unknown' }];
      const done = {
        name: 'holdFunds',
        state: 'done',
        fence: 'first',
        failure: null,
        detail: null,
      };
      const [startedAt, endedAt] = ['2026-01-01T00:00:00.000Z', '2026-01-01T00:00:01.000Z'];
      const later = anEndedRun(
        JSON.stringify({ reason: null, steps: [{ ...done, startedAt, endedAt, calls }] }),
      );
      const told = [{ ...step, ...done, calls: calls.map((call) => ({ ...call, text: said })) }];
      const remembers = { closedSteps: () => Promise.resolve(told as StepView[]) };
      for (const [scopes, text] of [
        [['tx:read'], null],
        [['tx:read', 'ops:read'], said],
      ] as const) {
        const answer = await explain(() => Promise.resolve(undefined), later, undefined, {
          temporal: remembers,
          scopes,
        });
        expect(answer.json()).toMatchObject({
          steps: [{ failure: null, attempts: [{ count: 2, lastFailure: 'unknown', text }] }],
        });
      }
    });

    it('is left out where Temporal has forgotten the run, or is away', async () => {
      const away = { closedSteps: () => Promise.reject(dependencyUnavailable('temporal')) };
      const scopes = ['tx:read', 'ops:read'] as const;
      const answer = await explain(() => Promise.resolve(undefined), ended, undefined, {
        temporal: away,
        scopes,
      });
      expect(answer.json()).toMatchObject({ source: 'ending', steps: [{ text: null }] });
    });
  });

  it('tells the steps of an ending as the kernel writes it', async () => {
    const run = createRun(
      { gid: 'order:acme.O-1', tenant: 'acme', flow: 'order', deadlineAt: 0, undoBudgetMs: 0 },
      { clock: standingClock(1_000), wasReset: false },
    );
    run.state = 'completed';
    const [step] = aTimeline().steps;
    if (step)
      run.steps.set(step.name, {
        ...step,
        effect: step.key,
        atRisk: [],
        text: null,
        wasCalled: true,
        parking: null,
        calls: { 'accounts.holdFunds': { attempts: 3, lastFailure: 'unknown', text: 'Lost.' } },
        undo: undefined,
        interrupt: undefined,
      });
    const ended = anEndedRun(endingOf(run, 2_000));
    expect((await explain(() => Promise.resolve(undefined), ended)).json()).toMatchObject({
      source: 'ending',
      steps: [
        {
          ...{ name: 'holdFunds', kind: 'compensable', startedAt: '1970-01-01T00:00:01.000Z' },
          attempts: [
            { activity: 'accounts.holdFunds', count: 3, lastFailure: 'unknown', text: null },
          ],
        },
      ],
    });
  });

  it('says that Temporal is away when an open run cannot be asked', async () => {
    const away = () => Promise.reject(dependencyUnavailable('temporal'));
    const answer = await explain(away, undefined, undefined, { temporal: { pendingCalls: away } });
    expect(answer.json()).toMatchObject({
      ...{ status: 503, dependency: 'temporal', retryable: true },
      detail: 'temporal does not answer.',
    });
  });

  it('says that no worker answers where Temporal does', async () => {
    const answer = await explain(() => Promise.reject(dependencyUnavailable('temporal')));
    expect(answer.json()).toMatchObject({
      ...{ status: 503, dependency: 'temporal', retryable: true },
      detail: 'temporal answers, but no worker does: see that one is running.',
    });
  });
});
