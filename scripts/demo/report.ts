import type { LocalApplication, Phase } from '../../testing/environment/local-application';
import { colors, print, say, tableOf } from '../report';
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

const mark = (isRight: boolean): string => (isRight ? colors.green('✓') : colors.red('✗'));

export function printRun(finding: Finding): void {
  const { planned, told, outside, seen, page, ms, isAsPlanned } = finding;
  print(
    `\n${mark(isAsPlanned)} ${colors.bold(planned.title)}  ${colors.dim(`${told.gid}, ${ms} ms`)}`,
  );
  for (const line of outside) print(`  ${colors.yellow('from outside')}  ${line}`);
  for (const line of seen) print(`  ${colors.cyan('seen')}  ${line}`);
  const steps = (told.steps ?? []).map(rowOf);
  if (steps.length > 0) print(tableOf(['step', 'state', 'fence', 'ms', 'detail'], steps));
  print(`  ending  ${endingOf(told.state, told.reason?.code)}`);
  if (page !== undefined) print(`  history ${page}`);
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
  const rows = lines.filter(isTelling).map(({ name, before, after, expected }) => {
    const shown = [before, after, expected].map((value) => shownAs(name, value));
    return [name, ...shown, mark(after === expected)];
  });
  print(`\n${colors.bold('Stock, money, coupons, orders, payments and events, before and after')}`);
  print(tableOf(['', 'before', 'after', 'expected', ''], rows));
}

/** Untouched by any ending, which is what it shows: whatever goes through it has left it. */
const clearing = 'account clearing-EUR free';

const isTelling = ({ name, before, after, expected }: Line): boolean =>
  before !== after || after !== expected || name === clearing;

/** How long it took is no part of the report. */
export function sayPhases(phases: readonly Phase[]): void {
  const rows = phases.map(({ name, ms }) => [name, (ms / 1_000).toFixed(1)]);
  say(tableOf(['phase', 'seconds'], rows));
}

/** Where to look. */
export function printPlaces({ stack, application }: LocalApplication, isKept: boolean): void {
  print(`
${colors.bold(isKept ? 'Where to look' : 'Where to look while it runs (npm run demo -- --keep, or npm start)')}
  Temporal UI  ${stack.temporal.uiUrl ?? 'not known'}
  API docs     ${application.apiUrl}/docs
  Logs         ${stack.folder}/logs`);
}
