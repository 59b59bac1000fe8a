import Table from 'cli-table3';
import colors from 'picocolors';

import type { LocalApplication, Phase } from '../local-application';
import { shownAs, type Line } from './books';
import type { PlannedRun, Played } from './planned-run';
import type { Told, ToldStep } from './scene';

/** A run that has been played, and whether it came to what was planned. */
export interface Finding extends Played {
  readonly planned: PlannedRun;
  readonly told: Told;
  readonly ms: number;
  readonly isAsPlanned: boolean;
  /** Its page in the Temporal UI. */
  readonly page: string | undefined;
}

const plain = { style: { head: [], border: [] } };
const mark = (isRight: boolean): string => (isRight ? colors.green('✓') : colors.red('✗'));

export function printRun(finding: Finding): void {
  const { planned, told, outside, seen, page, ms, isAsPlanned } = finding;
  console.log(
    `\n${mark(isAsPlanned)} ${colors.bold(planned.title)}  ${colors.dim(`${told.gid}, ${ms} ms`)}`,
  );
  for (const line of outside) console.log(`  ${colors.yellow('from outside')}  ${line}`);
  for (const line of seen) console.log(`  ${colors.cyan('seen')}  ${line}`);
  const table = new Table({
    head: ['step', 'state', 'fence', 'ms', 'detail'],
    ...plain,
    wordWrap: true,
  });
  for (const step of told.steps ?? []) table.push(rowOf(step));
  if (table.length > 0) console.log(table.toString());
  console.log(`  ending  ${endingOf(told.state, told.reason?.code)}`);
  if (page !== undefined) console.log(`  history ${page}`);
}

function rowOf({ name, state, fence, startedAt, endedAt, detail }: ToldStep): string[] {
  const ms = endedAt === null ? '' : String(Date.parse(endedAt) - Date.parse(startedAt));
  return [name, state, fence ?? '', ms, (detail ?? '').slice(0, 60)];
}

const endingOf = (state: string, reason: string | undefined): string =>
  state === 'completed'
    ? colors.green(state)
    : colors.yellow(reason === undefined ? state : `${state}: ${reason}`);

/** Numbers that changed, or should have. */
export function printBooks(lines: readonly Line[]): void {
  const table = new Table({ head: ['', 'before', 'after', 'expected', ''], ...plain });
  for (const { name, before, after, expected } of lines.filter(isTelling)) {
    const shown = [before, after, expected].map((value) => shownAs(name, value));
    table.push([name, ...shown, mark(after === expected)]);
  }
  console.log(
    `\n${colors.bold('Stock, money, coupons, orders, payments and events, before and after')}`,
  );
  console.log(table.toString());
}

/** Untouched by any ending, which is what it shows: whatever goes through it has left it. */
const clearing = 'account clearing-EUR free';

const isTelling = ({ name, before, after, expected }: Line): boolean =>
  before !== after || after !== expected || name === clearing;

export function printPhases(phases: readonly Phase[]): void {
  const table = new Table({ head: ['phase', 'seconds'], ...plain });
  for (const { name, ms } of phases) table.push([name, (ms / 1_000).toFixed(1)]);
  console.log(table.toString());
}

/** Where to look. */
export function printPlaces({ stack, application }: LocalApplication, isKept: boolean): void {
  console.log(`
${colors.bold(isKept ? 'Where to look' : 'Where to look while it runs (npm run demo -- --keep, or npm start)')}
  Temporal UI  ${stack.temporal.uiUrl ?? 'not known'}
  API docs     ${application.apiUrl}/docs
  Logs         ${stack.folder}/logs`);
}
