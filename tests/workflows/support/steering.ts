import { WorkflowUpdateFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';

import {
  cancelTransactionUpdate,
  resolveTransactionUpdate,
  reviewTransactionUpdate,
  timelineQuery,
} from '../../../contracts/engine/transaction';
import type {
  Consent,
  Decision,
  ReviewDecision,
  Timeline,
} from '../../../contracts/engine/transaction';
import { sendUpdate } from '../../../runtime/temporal-call';
import { eventually } from '../../support/eventually';
import type { Answer, FakeParticipants } from './fake-participants';
import type { TransactionHandle } from './transaction-runs';

export const actor = { subject: 'olga@acme.example' };

/** An activity that waits until the test lets it go on, and then answers as it should. */
export function gate(then: Answer = ({ proceed }) => proceed()): {
  readonly answer: Answer;
  readonly reached: Promise<void>;
  readonly open: () => void;
} {
  let open = (): void => undefined;
  let reach = (): void => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  const reached = new Promise<void>((resolve) => (reach = resolve));
  const answer: Answer = async (delivery) => {
    reach();
    await opened;
    return then(delivery);
  };
  return { answer, reached, open: () => open() };
}

export const called = (fakes: FakeParticipants, activity: string, times = 1) =>
  eventually(() => fakes.calls.filter((call) => call === activity).length >= times, {
    what: `${activity} to be called`,
  });

const timelineWhere = (
  handle: TransactionHandle,
  what: string,
  isSo: (timeline: Timeline) => boolean,
): Promise<Timeline> =>
  eventually(
    async () => {
      const timeline = await handle.query(timelineQuery);
      return isSo(timeline) && timeline;
    },
    { what },
  );

export const parkedAt = (handle: TransactionHandle, step: string) =>
  timelineWhere(handle, `${step} to be parked`, ({ parked }) =>
    parked.some((each) => each.step === step),
  );

export const inReview = (handle: TransactionHandle) =>
  timelineWhere(handle, 'the review to be asked for', ({ reviewUntil }) => reviewUntil !== null);

export const decide = (
  handle: TransactionHandle,
  step: string,
  decision: Decision,
  evidence = true,
  consent?: Consent,
) =>
  sendUpdate(() =>
    handle.executeUpdate(resolveTransactionUpdate, {
      args: [
        {
          step,
          decision,
          actor,
          evidence: evidence ? { kind: 'ticket', ref: 'OPS-1', note: null } : null,
          ...(consent && { consent }),
        },
      ],
    }),
  );

export const cancel = (handle: TransactionHandle) =>
  sendUpdate(() =>
    handle.executeUpdate(cancelTransactionUpdate, { args: [{ actor, note: null }] }),
  );

export const review = (
  handle: TransactionHandle,
  decision: ReviewDecision['decision'],
  { subject, note = null }: { readonly subject: string; readonly note?: string | null } = actor,
) =>
  sendUpdate(() =>
    handle.executeUpdate(reviewTransactionUpdate, {
      args: [{ decision, actor: { subject }, note }],
    }),
  );

/** Some update has been accepted: what it asks for is under way. */
export const updateAccepted = (handle: TransactionHandle) =>
  eventually(async () => {
    const { events } = await handle.fetchHistory();
    return events?.some((event) => event.workflowExecutionUpdateAcceptedEventAttributes);
  });

/** The type of the failure that an update was refused with. */
export async function refusalOf(update: Promise<unknown>): Promise<string | null | undefined> {
  const error: unknown = await update.then(
    () => new Error('The update was accepted.'),
    (failure: unknown) => failure,
  );
  if (!(error instanceof WorkflowUpdateFailedError)) throw error;
  return error.cause instanceof ApplicationFailure ? error.cause.type : error.cause?.message;
}
