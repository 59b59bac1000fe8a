import { z } from 'zod';

import { isOperatorFlow } from '../../contracts/engine/ids';
import { currencies, minorUnitsMax, type Currency } from '../../contracts/engine/money';
import type { KeptResolution } from '../../contracts/engine/resolutions';
import type { Decision } from '../../contracts/engine/transaction';
import { isAnotherPerson, type People } from '../http/people';
import { application } from '../../contracts/engine/application';
import type { Scope } from '../http/scopes';
import type { RunRow } from '../stores/runs/rows';

/**
 * Why one person is not enough. `amount_at_risk`: the amount reaches the threshold of its currency, or is unknown.
 * `skips_money`: a step that moves money is skipped. `moves_regions`: a step of a switch or rejoin is resolved by hand,
 * or booked. `own_transaction`: the person who resolves it by hand, or books it, may have started it. `grants_power`:
 * the new key may ask for what takes two, be one of them, or make keys. `for_another`: the new key speaks for another
 * subject. `unplanned_failover`: a region is given up. `arms_failover`: a watch may give one up by itself.
 * `books_money`: money that a skipped step has left is said to be booked.
 */
export const twoPersonRules = [
  'amount_at_risk',
  'skips_money',
  'moves_regions',
  'own_transaction',
  'grants_power',
  'for_another',
  'unplanned_failover',
  'arms_failover',
  'books_money',
] as const;
export type TwoPersonRule = (typeof twoPersonRules)[number];

/** Amounts in minor units from which a decision wants two persons; 0, or a currency that is not there: always. */
export type Thresholds = Readonly<Partial<Record<Currency, number>>>;

/**
 * Roughly 10,000 EUR. Other currencies have no default: every amount in them needs two persons until the configuration
 * sets a threshold.
 */
export const defaultThresholds = {
  EUR: 1_000_000,
  USD: 1_000_000,
  GBP: 1_000_000,
  JPY: 1_500_000,
  KWD: 3_000_000,
  CLF: 2_500_000,
} as const satisfies Thresholds;

/** What is left out has its default, where it has one. */
export const thresholdsSchema = z
  .partialRecord(z.enum(currencies), z.int().min(0).max(minorUnitsMax))
  .transform((given) => ({ ...defaultThresholds, ...given })) satisfies z.ZodType<Thresholds>;

/**
 * @param people the persons who may stand behind the credential that decides.
 * @returns why a decision on a parked run needs two persons; `null`: one is enough.
 */
export function ruleOfDecision(
  run: Pick<RunRow, 'flow' | 'atRisk' | 'requester'>,
  { step, decision, people }: DecisionBy,
  thresholds: Thresholds,
): TwoPersonRule | null {
  if (decision === 'skip' && movesMoney(run, step)) return 'skips_money';
  if (isMuchAtRisk(run, step, thresholds)) return 'amount_at_risk';
  return decision === 'retry' ? null : ruleOfHand(run, people);
}

interface DecisionBy {
  readonly step: string;
  readonly decision: Decision;
  readonly people: People;
}

/**
 * @param people the persons who may stand behind the credential that books.
 * @returns why the statement that a skipped step is booked needs two persons; `null`: one is enough.
 */
export function ruleOfBooking(
  run: Pick<RunRow, 'flow' | 'requester'>,
  { step, branch, amounts }: Pick<KeptResolution, 'step' | 'branch' | 'amounts'>,
  people: People,
): TwoPersonRule | null {
  const isMoney = amounts.some(({ kind }) => kind !== 'stock');
  const moves = [step, branch].some(
    (name) => application().plannedStepOf(run.flow, name)?.movesMoney === true,
  );
  return isMoney || moves ? 'books_money' : ruleOfHand(run, people);
}

/** What holds of every word of a person in the place of a program, money or not. */
function ruleOfHand(
  { flow, requester }: Pick<RunRow, 'flow' | 'requester'>,
  people: People,
): TwoPersonRule | null {
  if (isOperatorFlow(flow)) return 'moves_regions';
  return isAnotherPerson(people, requester) ? null : 'own_transaction';
}

/** Scopes of which two persons are made: to ask, to approve, to do without, and to make keys with them. */
const powers: readonly Scope[] = [
  'admin:keys',
  'payments:review',
  'ops:resolve',
  'ops:approve',
  'ops:failover',
  'ops:breakglass',
];

/** @param isForAnother the key has another owner than the subject that makes it. */
export function ruleOfKey(scopes: readonly Scope[], isForAnother: boolean): TwoPersonRule | null {
  if (powers.some((power) => scopes.includes(power))) return 'grants_power';
  return isForAnother ? 'for_another' : null;
}

/** A step that no plan names is judged by what is at risk. */
function movesMoney({ flow, atRisk }: Pick<RunRow, 'flow' | 'atRisk'>, step: string): boolean {
  const planned = application().plannedStepOf(flow, step);
  return planned ? planned.movesMoney : atRisk.some(({ kind }) => kind !== 'stock');
}

/** Where no money is at risk there is no currency to ask for: then one threshold that is set to 0 is enough. */
function isMuchAtRisk(
  { flow, atRisk }: Pick<RunRow, 'flow' | 'atRisk'>,
  step: string,
  thresholds: Thresholds,
): boolean {
  const money = atRisk.filter((amount) => amount.kind !== 'stock');
  // The step moves money and the amount is unknown: it may be any sum.
  if (money.length === 0 && application().plannedStepOf(flow, step)?.movesMoney === true)
    return true;
  if (money.length === 0) return Object.values(thresholds).includes(0);
  return money.some(({ currency }) => {
    const own = money.filter((amount) => amount.currency === currency);
    return own.reduce((sum, { minorUnits }) => sum + minorUnits, 0) >= (thresholds[currency] ?? 0);
  });
}
