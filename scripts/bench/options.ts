/** What options of the bench are read as. */
import { InvalidArgumentError, Option } from 'commander';

import { profiles } from '../../testing/stack/profile';

const most = 100_000;
const manyMost = 10_000_000;
/** Rows are filled by so many at once. */
const rowsAtOnce = 10_000;
const mostRows = 5_000_000;

const between =
  (least: number, greatest: number, isWhole: boolean) =>
  (text: string): number => {
    const number = Number(text);
    const isRight = text.trim() !== '' && (!isWhole || Number.isInteger(number));
    if (isRight && number >= least && number <= greatest) return number;
    const kind = isWhole ? 'a whole number' : 'a number';
    throw new InvalidArgumentError(`It must be ${kind}, ${least} to ${greatest}.`);
  };

export const wholeNumber = between(1, most, true);
export const manyTransactions = between(1, manyMost, true);
export const percent = between(0, 100, true);
export const rate = between(0.1, most, false);
export const seconds = between(1, most, false);
export const secondsOrNone = between(0, most, false);

export function manyRows(text: string): number {
  const number = Number(text);
  const isMultiple = Number.isInteger(number / rowsAtOnce);
  if (isMultiple && number > 0 && number <= mostRows) return number;
  throw new InvalidArgumentError(`It must be a multiple of ${rowsAtOnce}, up to ${mostRows}.`);
}

export const profileOption = (): Option =>
  new Option('-p, --profile <name>', 'profile of the servers').choices(profiles).default('dev');
