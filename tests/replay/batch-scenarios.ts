import type { TransactionInput } from '../../contracts/engine/transaction';
import { anOrder, aPayment, aTransfer, littleTime } from '../workflows/support/builders';
import {
  fails,
  first,
  isAway,
  isOdd,
  losesAnswer,
  refuses,
  type Answer,
} from '../workflows/support/fake-participants';

/** A batch, recorded once it has ended, and those that have left it, too. */
export interface BatchScenario {
  /** `<flow>-batch-<what befalls it>`. */
  readonly name: string;
  readonly batch: readonly TransactionInput[];
  readonly answers: Readonly<Record<string, Answer>>;
}

/** The first transaction of a batch is answered so; the others as the fence would. */
const onFirst =
  ([one]: readonly TransactionInput[], answer: Answer): Answer =>
  (delivery) =>
    one && delivery.request.key.startsWith(`${one.gid}/`) ? answer(delivery) : delivery.proceed();

/** Once so, and then as the fence would. */
function onceSo(answer: Answer): Answer {
  const left = { calls: 1 };
  return (delivery) => ((left.calls -= 1) >= 0 ? answer(delivery) : delivery.proceed());
}

const three = () => [aTransfer(), aTransfer(), aTransfer()];

function scenario(
  name: string,
  batch: readonly TransactionInput[],
  activity: string,
  answer: Answer,
): BatchScenario {
  return { name, batch, answers: { [activity]: onFirst(batch, answer) } };
}

const late = [
  aTransfer(littleTime()),
  aTransfer({ deadlineAt: Date.now() + 600_000, undoBudgetMs: 10_000 }),
];

export const batchScenarios: readonly BatchScenario[] = [
  { name: 'transfer-batch-all-good', batch: three(), answers: {} },
  { name: 'order-batch-all-good', batch: [anOrder(), anOrder()], answers: {} },
  { name: 'payment-batch-all-good', batch: [aPayment(), aPayment()], answers: {} },
  scenario(
    'transfer-batch-refused',
    three(),
    'accounts.reserveDebit',
    refuses('InsufficientFunds'),
  ),
  scenario(
    'order-batch-refused',
    [anOrder(), anOrder()],
    'accounts.holdFunds',
    refuses('InsufficientFunds'),
  ),
  scenario('transfer-batch-left-unknown', three(), 'accounts.reserveCredit', isOdd),
  scenario(
    'payment-batch-left-for-review',
    [aPayment({ reviewMs: 200 }), aPayment()],
    'accounts.assessRisk',
    ({ proceed }) => proceed({ decision: 'review', score: 60, reasons: [] }),
  ),
  scenario(
    'transfer-batch-left-where-it-would-park',
    three(),
    'accounts.confirmCredit',
    onceSo(fails('InvariantBroken')),
  ),
  {
    name: 'transfer-batch-remote-set',
    batch: three(),
    answers: { 'accounts.reserveCredit': first(6, isAway) },
  },
  {
    name: 'transfer-batch-answers-lost',
    batch: three(),
    answers: { 'accord.decide': first(3, losesAnswer) },
  },
  {
    name: 'transfer-batch-left-at-its-deadline',
    batch: late,
    // As long as the first has time to act, and a moment more.
    answers: {
      'accounts.reserveCredit': (delivery) =>
        Date.now() < (late[0]?.deadlineAt ?? 0) - 6_000 ? isAway(delivery) : delivery.proceed(),
    },
  },
];
