import { shop } from '../../../contracts/shop';
import { ApplicationFailure } from '@temporalio/common';

import type { Refusal, VerdictFailure } from '../../../contracts/engine/failures';
import { partsOfStepKey, stepKeyOf } from '../../../contracts/engine/ids';
import type { EndRun, LeaveBatch, MoveRun } from '../../../contracts/engine/runs';
import type {
  FenceVerdict,
  Keyed,
  Verb,
  Verdict,
  VerdictName,
} from '../../../contracts/engine/verdict';

/** One item that arrives at the fake, and the ways to answer it. */
export interface FakeDelivery {
  readonly request: Keyed;
  /** How often this activity has been called, from 1. */
  readonly call: number;
  /** The decision has been sealed: somebody is finding out how the transaction ends. */
  readonly wasSealed: boolean;
  /** As the fence would; an act that takes effect has this result. Left out: one that lets its story go on. */
  readonly proceed: (result?: unknown) => Verdict<unknown>;
  /** A business refusal, recorded by the fence. */
  readonly refuse: (type: Refusal, detail: string) => Verdict<unknown>;
  /** A failure of the protocol; nothing is recorded. */
  readonly fail: (type: VerdictFailure, detail: string) => Verdict<unknown>;
}
export type Answer = (delivery: FakeDelivery) => Verdict<unknown> | Promise<Verdict<unknown>>;

export const refuses =
  (type: Refusal, detail = 'No.'): Answer =>
  ({ refuse }) =>
    refuse(type, detail);

/** A refusal that the operation declares; `undefined`: it declares none. */
export const refusalDeclaredBy = (activity: string): Refusal | undefined =>
  shop.operations.get(activity)?.refusals[0];

export const fails =
  (type: VerdictFailure, detail = 'Broken.'): Answer =>
  ({ fail }) =>
    fail(type, detail);

/** It takes effect, and nobody hears of it. */
export const losesAnswer: Answer = ({ proceed }) => {
  proceed();
  throw new Error('The answer was lost.');
};

/** The same, until the decision is sealed: from then on the fence answers with what it did. */
export const losesAnswerUntilSealed: Answer = (delivery) =>
  delivery.wasSealed ? delivery.proceed() : losesAnswer(delivery);

/** Nothing happens, as in an outage. */
export const isAway: Answer = () => {
  throw new Error('Connection refused.');
};

/** It fails for good, in a way that the engine does not know. */
export const isOdd: Answer = () => {
  throw ApplicationFailure.nonRetryable('Nobody has foreseen this.', 'Odd');
};

/** Answers so for the first calls, and as the fence would from then on. */
export const first =
  (calls: number, answer: Answer): Answer =>
  (delivery) =>
    delivery.call <= calls ? answer(delivery) : delivery.proceed();

/** Written by the fake itself: the row of a run guards itself, it has no fence. */
const rowActivities = ['accord.moveRun', 'accord.endRun', 'accord.leaveBatch'];

const fencedVerbs: readonly (readonly [string, Verb])[] = [...shop.operations.values()]
  .map(({ type, verb }) => [type, verb] as const)
  .filter(([activity]) => !rowActivities.includes(activity));

/** Results of the acts that have any, as their participants give them when all goes well. */
const results: Readonly<Record<string, (request: Keyed) => unknown>> = {
  'accounts.holdFunds': ({ key }) => ({ holdKey: key }),
  'accounts.authorisePayment': ({ key }) => ({ holdKey: key }),
  'accounts.assessRisk': () => ({ decision: 'approve', score: 0, reasons: [] }),
  'accounts.reserveRefund': ({ key }) => ({
    holdKey: key,
    payerId: 'acme.A-1',
    amount: { currency: 'EUR', minorUnits: 1_250 },
  }),
  'accounts.claimSettlementPage': () => ({ claimed: 0 }),
};

/** A seal that is about another branch than the pivot's: there the decision is made, and the pivot only follows it. */
const sealedBranches: Readonly<Record<string, string>> = { 'regions.sealSwitch': 'advanceEpoch' };

type FenceState = 'acted' | 'confirmed' | 'undone' | 'empty' | 'refused';
interface Row {
  state: FenceState;
  /** What a repeated act must bring again. */
  readonly content?: string;
  readonly result: unknown;
  readonly refusal?: { readonly type: Refusal; readonly detail: string };
}

export type FakeParticipants = ReturnType<typeof fakeParticipants>;

/**
 * Participants in memory, with the fence as docs/guarantees.md has it: what a workflow does with duplicates, late acts
 * and lost answers can be seen without SQL. Records every call in its order.
 */
export function fakeParticipants(answers: Readonly<Record<string, Answer>> = {}) {
  const fence = createFakeFence();
  const overrides = new Map(Object.entries(answers));
  const counts = new Map<string, number>();
  const calls: string[] = [];
  const lockCalls: string[] = [];
  const moves: MoveRun[] = [];
  const endings: EndRun[] = [];
  const leaving: LeaveBatch[] = [];
  const sets: { readonly activity: string; readonly size: number }[] = [];

  const participants = fencedVerbs.map(([activity, verb]): [string, SetAnswer] => [
    activity,
    async (requests: readonly Keyed[]) => {
      sets.push({ activity, size: requests.length });
      const verdicts = requests.map((request) => {
        calls.push(activity);
        return answer(activity, request, verb, (result) =>
          fence.deliver(
            verb,
            request,
            result ?? results[activity]?.(request) ?? null,
            sealedBranches[activity],
          ),
        );
      });
      return Promise.all(verdicts);
    },
  ]);

  return {
    /** `<participant>.<activity>` of each item, in order of arrival. */
    calls,
    lockCalls,
    moves,
    endings,
    leaving,
    sets,
    stateOf: fence.stateOf,
    /** From now on this activity answers so. */
    on: (activity: string, override: Answer) => void overrides.set(activity, override),
    /** For the worker, by activity type. Typed loosely, as Temporal calls them: by name. */
    activities: anyActivities({
      ...Object.fromEntries(participants),
      'accord.moveRun': (requests: readonly MoveRun[]) => {
        moves.push(...requests);
        return Promise.resolve(
          requests.map((request) => ok(nameOf(request, 'act'), 'first', null)),
        );
      },
      'accord.endRun': (requests: readonly EndRun[]) =>
        Promise.all(
          requests.map((request) =>
            answer('accord.endRun', request, 'act', () => endOne(endings, request)),
          ),
        ),
      'accord.leaveBatch': (requests: readonly LeaveBatch[]) => {
        leaving.push(...requests);
        return Promise.resolve(
          requests.map((request) => ok(nameOf(request, 'act'), 'first', { isToBeStarted: true })),
        );
      },
      acquireLock: async () => {
        lockCalls.push('acquireLock');
        const token = String(lockCalls.length);
        await answer('acquireLock', { key: 'order:acme.none/lock', minEpoch: 0 }, 'act', () =>
          ok({ gid: '', branch: '', verb: 'act' }, 'first', null),
        );
        return { token };
      },
      renewLock: () => {
        lockCalls.push('renewLock');
        return Promise.resolve(true);
      },
      releaseLock: () => {
        lockCalls.push('releaseLock');
        return Promise.resolve();
      },
    }),
  };

  async function answer(
    activity: string,
    request: Keyed,
    verb: Verb,
    proceed: (result?: unknown) => Verdict<unknown>,
  ): Promise<Verdict<unknown>> {
    const call = (counts.get(activity) ?? 0) + 1;
    counts.set(activity, call);
    const override = overrides.get(activity);
    if (!override) return proceed();
    return override({
      request,
      call,
      wasSealed: calls.some((each) => each.includes('.seal')),
      proceed,
      refuse: (type, detail) => fence.refuse(request, type, detail),
      fail: (type, detail) => fail(nameOf(request, verb), type, detail),
    });
  }
}

function createFakeFence() {
  const rows = new Map<string, Row>();
  return {
    deliver,
    refuse,
    stateOf: (gid: string, branch: string): FenceState | undefined =>
      rows.get(`${gid}/${branch}`)?.state,
  };

  function deliver(verb: Verb, request: Keyed, result: unknown, sealed?: string): Verdict<unknown> {
    const name = nameOf(request, verb);
    const key = sealed === undefined ? request.key : stepKeyOf(name.gid, sealed);
    const row = rows.get(key);
    switch (verb) {
      case 'act':
        return act(request, row, result);
      case 'confirm':
        return confirm(name, row);
      case 'undo':
        return undo(name, request, row);
      case 'seal':
        if (!row) rows.set(key, { state: 'empty', result: null });
        return ok(name, row ? 'duplicate' : 'empty', { happened: isHappened(row) });
    }
  }

  function act(request: Keyed, row: Row | undefined, result: unknown): Verdict<unknown> {
    const name = nameOf(request, 'act');
    if (row?.refusal) return fail(name, row.refusal.type, row.refusal.detail, 'refused');
    if (row && !isHappened(row)) return fail(name, 'Fenced', 'Its undo came first.', 'fenced');
    const content = contentOf(request);
    if (row?.content !== undefined && row.content !== content) {
      return fail(name, 'IdempotencyConflict', 'It came before with other content.', 'conflict');
    }
    if (row) return ok(name, 'duplicate', row.result);
    rows.set(request.key, { state: 'acted', result, content });
    if ('holdKey' in request) {
      const hold = rows.get(String(request.holdKey));
      if (hold) hold.state = 'confirmed';
    }
    return ok(name, 'first', result);
  }

  function confirm(name: VerdictName, row: Row | undefined): Verdict<unknown> {
    if (!row || !isHappened(row)) return fail(name, 'InvariantBroken', 'Nothing to confirm.');
    row.state = 'confirmed';
    return ok(name, 'confirmed', null);
  }

  function undo(name: VerdictName, request: Keyed, row: Row | undefined): Verdict<unknown> {
    if (!row) rows.set(request.key, { state: 'empty', result: null });
    if (row?.state === 'confirmed') return fail(name, 'InvariantBroken', 'Confirmed before.');
    if (row?.state === 'acted') row.state = 'undone';
    return ok(name, row ? 'undone' : 'empty', null);
  }

  function refuse(request: Keyed, type: Refusal, detail: string): Verdict<unknown> {
    const before = rows.get(request.key);
    if (before && !before.refusal) return deliver('act', request, null);
    rows.set(request.key, { state: 'refused', result: null, refusal: { type, detail } });
    return fail(nameOf(request, 'act'), type, detail, 'refused');
  }
}

/** Neither the epoch nor the fencing token is content: the same request comes again under newer ones. */
const contentOf = (request: Keyed): string =>
  JSON.stringify({ ...request, minEpoch: undefined, fencingToken: undefined });

type SetAnswer = (requests: readonly Keyed[]) => Promise<unknown>;
type AnyActivity = (request: unknown) => Promise<unknown>;

/** Parameters are what the workflow sent: nothing could check them but the tests that read the calls. */
const anyActivities = (activities: Record<string, (request: never) => Promise<unknown>>) =>
  activities as Record<string, AnyActivity>;

const isHappened = (row: Row | undefined): boolean =>
  row?.state === 'acted' || row?.state === 'confirmed';

function endOne(endings: EndRun[], request: EndRun): Verdict<unknown> {
  const name = nameOf(request, 'act');
  const before = endings.find(({ key }) => key === request.key);
  if (before && before.outcome !== request.outcome) {
    return fail(name, 'InvariantBroken', `It is ${before.outcome} already.`);
  }
  if (!before) endings.push(request);
  return ok(name, before ? 'duplicate' : 'first', null);
}

function nameOf({ key }: Keyed, verb: Verb): VerdictName {
  const parts = partsOfStepKey(key);
  if (!parts) throw new Error(`${key} is no step key.`);
  return { ...parts, verb };
}

const ok = (name: VerdictName, fence: FenceVerdict, result: unknown): Verdict<unknown> => ({
  ...name,
  fence,
  epoch: 1,
  ok: true,
  result,
});

const fail = (
  name: VerdictName,
  failure: VerdictFailure,
  detail: string,
  fence: FenceVerdict = 'broken',
): Verdict<unknown> => ({ ...name, fence, epoch: 1, ok: false, failure, detail });

/** A lock that another transaction has: come back later. */
export const isHeld: Answer = () => {
  throw ApplicationFailure.create({
    type: 'LockHeld',
    message: 'Another order of this customer is under way.',
    nextRetryDelay: '20ms',
  });
};
