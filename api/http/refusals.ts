import { isCurrency, type Currency } from '../../contracts/engine/money';
import { deadlineMs } from '../../contracts/engine/transaction';
import { Problem, type FieldError } from './errors';
import { sentenceOf } from './field-errors';

export const fault = (pointer: string, code: string, message: string): FieldError => ({
  pointer,
  code,
  message,
});

/** The refusal of a request that fits its schema and cannot mean anything; its detail names the first fields. */
export const unprocessable = (errors: readonly FieldError[]): Problem =>
  new Problem('unprocessable', { errors, detail: sentenceOf(errors) });

/** @throws Problem `unprocessable`, where there is one. */
export function refuse(errors: readonly FieldError[]): void {
  if (errors.length > 0) throw unprocessable(errors);
}

/** The field at this pointer, where it names no currency that can be moved. */
export const currencyFaults = (pointer: string, name: string): readonly FieldError[] =>
  isCurrency(name)
    ? []
    : [
        fault(
          pointer,
          'currency_unknown',
          `names ${name}, which is no currency of ISO 4217 that has minor units`,
        ),
      ];

/** The currency at this pointer. @throws Problem `unprocessable`, together with the other faults that were found. */
export function currencyAt(
  pointer: string,
  name: string,
  others: readonly FieldError[] = [],
): Currency {
  if (isCurrency(name)) return name;
  throw unprocessable([...others, ...currencyFaults(pointer, name)]);
}

export function deadlineFaults(ms: number): readonly FieldError[] {
  if (ms >= deadlineMs.min && ms <= deadlineMs.max) return [];
  const code = ms < deadlineMs.min ? 'deadline_too_short' : 'deadline_too_long';
  return [
    fault('/deadlineMs', code, `is ${ms}, and must be from ${deadlineMs.min} to ${deadlineMs.max}`),
  ];
}

/** Money that would come from where it goes. */
export const sameAccountFaults = (
  pointer: string,
  from: string,
  to: string,
): readonly FieldError[] =>
  from === to ? [fault(pointer, 'same_account', `names ${from}, the account that pays`)] : [];
