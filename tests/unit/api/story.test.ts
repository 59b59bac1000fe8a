import { describe, expect, it } from '@jest/globals';

import type { StepView, Timeline } from '../../../contracts/transaction';
import { dependencyUnavailable } from '../../../api/errors';
import { endingOf } from '../../../workflows/kernel/ending';
import type { StepRecord } from '../../../workflows/kernel/run';
import { createRun } from '../../../workflows/kernel/run';
import { aRun, anEndedRun, aTemporal, fakeApi } from './fake-api';

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
  ) => {
    const pending = [{ activity, attempt: 7, lastFailure: 'connect ECONNREFUSED' }];
    const api = await fakeApi({
      temporal: aTemporal({ timeline, pendingCalls: () => Promise.resolve(pending) }),
    });
    api.rows.set(run.gid, run);
    const answer = await api.api.inject({
      url: `/v1/transactions/${run.gid}/explain`,
      headers: { authorization: api.credential() },
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
          attempts: {
            activity: 'accounts.releaseFunds',
            count: 7,
            lastFailure: 'connect ECONNREFUSED',
          },
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
      ['accounts', [null, { count: 7 }]],
      ['orders', [null, null]],
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

  it('falls back on the ending of the row when Temporal has forgotten the run, or is away', async () => {
    const ended = anEndedRun(
      '{"gid":"x","outcome":"compensated","reason":null,"steps":[{"strange":1}]}',
    );
    for (const timeline of [
      () => Promise.resolve(undefined),
      () => Promise.reject(dependencyUnavailable('temporal')),
    ]) {
      expect((await explain(timeline, ended)).json()).toMatchObject({
        source: 'ending',
        steps: [],
      });
    }
  });

  it('tells the steps of an ending as the kernel writes it', async () => {
    const run = createRun(
      { gid: 'order:acme.O-1', tenant: 'acme', flow: 'order', deadlineAt: 0, undoBudgetMs: 0 },
      { now: () => 1_000, wasReset: false },
    );
    run.state = 'completed';
    const [step] = aTimeline().steps;
    if (step)
      run.steps.set(step.name, {
        ...step,
        effect: step.key,
        atRisk: [],
        undo: undefined,
        interrupt: undefined,
      } as StepRecord);
    const ended = anEndedRun(endingOf(run, 2_000));
    expect((await explain(() => Promise.resolve(undefined), ended)).json()).toMatchObject({
      source: 'ending',
      steps: [{ name: 'holdFunds', kind: 'compensable', startedAt: '1970-01-01T00:00:01.000Z' }],
    });
  });

  it('says that Temporal is away when an open run cannot be asked', async () => {
    const answer = await explain(() => Promise.reject(dependencyUnavailable('temporal')));
    expect(answer.json()).toMatchObject({ status: 503, dependency: 'temporal' });
  });
});
