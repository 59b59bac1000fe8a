/** Events of the transactions themselves, on the topic `accord.transactions`. */
import { event } from './events';
import { parkReasons } from './failures';
import { runStates } from './transaction';
import {
  fields,
  gid,
  instant,
  listOf,
  nullable,
  oneOf,
  optional,
  text,
  whole,
  type Schema,
} from './schema';

/** The row of a transaction counts its changes. */
const row = { key: '`gid`: the sequence is the version of the row, which may skip numbers' };
const transaction = {
  gid: gid(),
  tenant: text('Tenant; of a switch of regions the cluster.', 'acme'),
  flow: text('Name of the flow.', 'order'),
};

const amounts = (description: string) =>
  listOf(
    fields({
      kind: oneOf(['hold', 'captured', 'stock'], 'What holds it.'),
      currency: optional(text('Money: currency, ISO 4217.', 'EUR')),
      minorUnits: optional(whole('Money: minor units of the currency.', { example: 1250 })),
      sku: optional(text('Stock: `<tenant>.<sku>`.', 'acme.S-1001')),
      quantity: optional(whole('Stock: pieces.', { example: 2 })),
    }),
    description,
  );

const by = text('The person.', 'ops.anna');
const consent = nullable(
  fields({
    kind: oneOf(['approved', 'brokenGlass'], 'A second person approved, or one acted alone.'),
    by: optional(text('Second person.', 'ops.ben')),
    approval: optional(text('The approval.', '01J9Z3')),
    reason: optional(text('Why one person acted alone.', 'Nobody else was on call.')),
  }),
  '`null`: one person was enough.',
);
const evidence = fields(
  {
    kind: text('Kind of the evidence.', 'ticket'),
    ref: text('Where it is found.', 'T-4711'),
    note: nullable(text('Note.', 'Booked by the bank.'), '`null`: no note.'),
  },
  'What shows it.',
);

/** `HandResolution`: the same shape in the ending, in the row and over HTTP. */
const resolution = fields({
  step: text('Step that a person resolved by hand.', 'releaseFunds'),
  branch: text('Branch of its effect.', 'holdFunds'),
  decision: oneOf(['done', 'skip'], '`done`: done by hand. `skip`: not done, and never will be.'),
  by,
  consent,
  evidence,
  decidedAt: instant('When it was decided, RFC 3339, UTC.'),
  amounts: amounts('What is still held, or by `done` no longer held.'),
});

const moved = <const State extends string>(state: State) => ({
  ...transaction,
  state: oneOf([state], 'State of the transaction from now on.'),
  step: nullable(text('The step that it is about.', 'releaseFunds'), '`null`: no step.'),
  reason: nullable(oneOf(parkReasons, 'Why it is parked.'), '`null`: it is not parked.'),
  atRisk: amounts('What may be lost if the transaction is left alone.'),
});

const reason = nullable(
  fields({
    code: text('Code that HTTP shows.', 'out_of_stock'),
    type: text('Failure.', 'OutOfStock'),
    step: nullable(text('Step that failed.', 'reserveStock'), '`null`: no step.'),
    detail: text('Sentence for a person.', 'S-1001: 2 asked, 1 left'),
  }),
  '`null`: completed.',
);
const ended = <const State extends string>(state: State) => ({
  gid: transaction.gid,
  tenant: transaction.tenant,
  flow: transaction.flow,
  state: oneOf([state], 'The ending.'),
  reason,
  resolvedByHand: optional(listOf(resolution, 'Steps that persons resolved. Left out: none.')),
  atRisk: optional(amounts('What these steps have left. Left out: nothing.')),
});

export const transactionEvents = {
  'transaction.accepted': event({
    ...row,
    when: 'The API, or a schedule, has accepted the transaction.',
    data: transaction,
  }),
  'transaction.undoing': event({
    ...row,
    by: ['moveRun'],
    when: 'The transaction will be compensated.',
    data: moved('undoing'),
  }),
  'transaction.parked': event({
    ...row,
    by: ['moveRun'],
    when: 'The transaction waits for a person.',
    data: moved('parked'),
  }),
  'transaction.resumed': event({
    ...row,
    by: ['moveRun'],
    when: 'A person has decided, and the transaction goes on.',
    data: {
      ...moved('running'),
      state: oneOf(['running', 'undoing'], 'State of the transaction from now on.'),
    },
  }),
  'transaction.completed': event({
    ...row,
    by: ['endRun'],
    when: 'The transaction has ended: everything has taken effect.',
    data: ended('completed'),
  }),
  'transaction.compensated': event({
    ...row,
    by: ['endRun'],
    when: 'The transaction has ended: nothing of it stays. Also if it was cancelled before its start.',
    data: {
      ...ended('compensated'),
      outcome: optional(oneOf(['compensated'], 'Only if it was cancelled before its start.')),
      endedAt: optional(instant('Only if it was cancelled before its start.')),
      steps: optional(
        listOf(
          text('No step.') as Schema<never>,
          'Empty. Only if it was cancelled before its start.',
        ),
      ),
    },
  }),
  'transaction.booked': event({
    ...row,
    when: 'A person has written down that what a skipped step had left is booked.',
    data: {
      ...transaction,
      state: oneOf(runStates, 'The ending.'),
      step: text('Step that was skipped.', 'releaseFunds'),
      booked: fields(
        {
          by,
          consent,
          evidence,
          bookedAt: instant('When it was written down, RFC 3339, UTC.'),
          version: whole('Version of the row that the person saw.', { example: 7 }),
        },
        'Who booked it.',
      ),
      atRisk: amounts('What is still not booked.'),
    },
  }),
};
