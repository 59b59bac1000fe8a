import { currencies, type Currency } from '../contracts/money';
import { deadlineMs } from '../contracts/transaction';
import { Problem, type FieldError } from './errors';

export const fault = (pointer: string, code: string, message: string): FieldError => ({
  pointer,
  code,
  message,
});

/** @throws Problem `unprocessable`, where there is one. */
export function refuse(errors: readonly FieldError[]): void {
  if (errors.length > 0) throw new Problem('unprocessable', { errors });
}

/** The currency at this pointer. @throws Problem `unprocessable`, together with the other faults that were found. */
export function currencyAt(
  pointer: string,
  name: string,
  others: readonly FieldError[] = [],
): Currency {
  const currency = currencies.find((known) => known === name);
  if (currency) return currency;
  const unknown = fault(pointer, 'currency_unknown', 'is not a currency that Accord moves');
  throw new Problem('unprocessable', { errors: [...others, unknown] });
}

export function deadlineFaults(ms: number): readonly FieldError[] {
  if (ms >= deadlineMs.min && ms <= deadlineMs.max) return [];
  const code = ms < deadlineMs.min ? 'deadline_too_short' : 'deadline_too_long';
  return [fault('/deadlineMs', code, `from ${deadlineMs.min} to ${deadlineMs.max}`)];
}

/** Money that would come from where it goes. */
export const sameAccountFaults = (
  pointer: string,
  from: string,
  to: string,
): readonly FieldError[] =>
  from === to ? [fault(pointer, 'same_account', 'is the account that pays')] : [];
