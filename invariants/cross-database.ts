/**
 * What holds across databases. No snapshot spans two of them, so each check hangs on the order of its reads
 * (docs/guarantees.md): what a transaction has written is final once it has ended, so the endings are read first; and a
 * transaction is accepted before it writes anything, so the participants are read before `accord` where one is missing.
 */
import { declaredBranches, stepsOf } from './endings';
import { partsOfGid, stepKeyOf, type Branch, type Gid } from '../contracts/engine/ids';
import { application } from '../contracts/engine/application';
import type { PlannedStep } from '../contracts/engine/plan';
import type { KeptResolution } from '../contracts/engine/resolutions';
import { decideBranch } from '../contracts/engine/runs';
import type { Ending } from '../contracts/engine/transaction';
import type { Database, Reading } from './reading';

/** What one check across databases judged, and what it found wrong. */
export interface CrossAnswer {
  readonly id: string;
  readonly name: string;
  readonly rows: number;
  readonly ms: number;
  /** Rows that stand otherwise than their ending says, and are declared by it. */
  readonly declared: number;
  readonly violations: readonly CrossViolation[];
}
export interface CrossViolation {
  readonly database: Database;
  readonly row: object;
}

const crossOracles = {
  X2: 'a transaction ended for all its participants, or for none',
  X2b: 'nobody writes for a transaction that was never accepted',
  X6: 'the ending is what the decision says',
} as const;
/** A check of an application across its databases, of transactions that have ended. */
export interface CrossCheck {
  readonly id: string;
  readonly name: string;
  /** @param ended those that no person has answered for; what they wrote is final. */
  readonly judge: (
    readings: ReadonlyMap<Database, Reading>,
    ended: readonly Pick<EndedRun, 'gid' | 'state'>[],
  ) => Promise<{ readonly rows: number; readonly violations: readonly CrossViolation[] }>;
}

/** Endings older than this have lost their fence rows, or will; what only reserves is looked at whatever its age. */
const hours = 24;
/** Gids of one statement. */
const chunk = 500;
/** Seconds after which an accepted transaction is known for certain. */
const orphanSeconds = 60;
/** Violations of one oracle, at most. */
const violationsMax = 100;

export interface EndedRun {
  readonly gid: Gid;
  readonly state: Ending;
  /** What persons have answered for. */
  readonly resolvedByHand: readonly KeptResolution[] | null;
  /** Time of the ending, as MySQL writes it. */
  readonly ended_at: string;
}

interface Row {
  readonly gid: Gid;
  readonly branch: Branch;
  readonly state: 'acted' | 'confirmed' | 'undone' | 'empty' | 'refused';
  readonly reserves: 0 | 1;
}

/**
 * @param readings of `accord` and the participants, each statement of them with what is committed by then.
 * @param since what ended, or began, before it is passed over: a time as MySQL writes it, by `accord`'s clock. `null`:
 *   all that is kept.
 * @param checks of the application.
 */
export async function askAcross(
  readings: ReadonlyMap<Database, Reading>,
  since: string | null,
  checks: readonly CrossCheck[],
): Promise<readonly CrossAnswer[]> {
  const accord = readings.get('accord');
  if (!accord) return [];
  const participants = [...readings.values()].filter(({ database }) => database !== 'accord');
  const notes = createNotes(checks);
  const all = { readings, accord, participants, checks };
  for (const participant of participants) {
    await notes.timed('X2b', () => orphans(notes, accord, participant, since));
  }
  if (since === null) {
    for (const gids of chunked(await gidsReserved(participants))) {
      await judge(notes, all, await endedOf(accord, gids));
    }
  }
  let after: EndedRun | undefined;
  for (let isLast = false; !isLast;) {
    const ended = await endedBehind(accord, since, after);
    await judge(notes, all, ended);
    after = ended.at(-1) ?? after;
    isLast = ended.length < chunk;
  }
  return notes.answers();
}

/** Collects what the checks say while they go through the transactions together. */
function createNotes(checks: readonly CrossCheck[]) {
  const names = [
    ...Object.entries(crossOracles),
    ...checks.map(({ id, name }) => [id, name] as const),
  ];
  const kept = new Map(
    names
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([id, name]) => [
        id,
        {
          name,
          rows: 0,
          ms: 0,
          declared: new Set<string>(),
          found: new Map<string, CrossViolation>(),
        },
      ]),
  );
  const of = (id: string) => {
    const one = kept.get(id);
    if (!one) throw new Error(`No check ${id}.`);
    return one;
  };
  return {
    async timed(id: string, work: () => Promise<void>): Promise<void> {
      const began = performance.now();
      await work();
      of(id).ms += performance.now() - began;
    },
    judged(id: string, rows: number): void {
      of(id).rows += rows;
    },
    /** Otherwise than the ending says, and declared by it. */
    declared(id: string, database: Database, key: string): void {
      of(id).declared.add(`${database} ${key}`);
    },
    /** A reservation that was left of a transaction that ended today is met twice. */
    violation(id: string, database: Database, row: object): void {
      const { found } = of(id);
      if (found.size < violationsMax)
        found.set(`${database} ${JSON.stringify(row)}`, { database, row });
    },
    answers: (): readonly CrossAnswer[] =>
      [...kept].map(([id, { name, rows, ms, declared, found }]) => ({
        id,
        name,
        rows,
        ms,
        declared: declared.size,
        violations: [...found.values()],
      })),
  };
}
type Notes = ReturnType<typeof createNotes>;

/** The participant first: what it has written was accepted before. */
async function orphans(
  notes: Notes,
  accord: Reading,
  participant: Reading,
  since: string | null,
): Promise<void> {
  let after = '';
  for (let isLast = false; !isLast;) {
    const rows = await participant.select<{ readonly gid: Gid }>(
      since === null
        ? `SELECT DISTINCT gid FROM fence FORCE INDEX (PRIMARY)
             WHERE gid > ? AND gid NOT LIKE 'opening:%' AND created_at < UTC_TIMESTAMP(3) - INTERVAL ? SECOND
             ORDER BY gid LIMIT ?`
        : `SELECT DISTINCT gid FROM fence FORCE INDEX (sweep)
             WHERE expires_at IS NULL AND created_at > CAST(? AS DATETIME(3)) - INTERVAL ${orphanSeconds} SECOND
               AND gid > ? AND gid NOT LIKE 'opening:%' AND created_at < UTC_TIMESTAMP(3) - INTERVAL ? SECOND
             ORDER BY gid LIMIT ?`,
      [...(since === null ? [] : [since]), after, orphanSeconds, chunk],
    );
    const gids = rows.map(({ gid }) => gid);
    const known = await knownOf(accord, gids);
    for (const gid of gids) {
      if (!known.has(gid)) notes.violation('X2b', participant.database, { gid });
    }
    notes.judged('X2b', gids.length);
    after = gids.at(-1) ?? after;
    isLast = gids.length < chunk;
  }
}

async function knownOf(accord: Reading, gids: readonly Gid[]): Promise<ReadonlySet<Gid>> {
  if (gids.length === 0) return new Set();
  const rows = await accord.select<{ readonly gid: Gid }>('SELECT gid FROM runs WHERE gid IN (?)', [
    gids,
  ]);
  return new Set(rows.map(({ gid }) => gid));
}

/** Candidates alone: whether they have ended is asked next, and their rows are read again after that. */
async function gidsReserved(participants: readonly Reading[]): Promise<readonly Gid[]> {
  const gids = new Set<Gid>();
  for (const participant of participants) {
    const rows = await participant.select<{ readonly gid: Gid }>(
      `SELECT DISTINCT gid FROM fence WHERE expires_at IS NULL AND reserves = 1 AND state = 'acted'`,
    );
    for (const { gid } of rows) gids.add(gid);
  }
  return [...gids];
}

const endedColumns = `gid, state, resolved_by_hand AS resolvedByHand,
  CAST(ended_at AS CHAR) AS ended_at`;

const endedOf = (accord: Reading, gids: readonly Gid[]): Promise<readonly EndedRun[]> =>
  accord.select<EndedRun>(
    `SELECT ${endedColumns} FROM runs WHERE gid IN (?) AND ended_at IS NOT NULL`,
    [gids],
  );

const endedBehind = (
  accord: Reading,
  since: string | null,
  last: EndedRun | undefined,
): Promise<readonly EndedRun[]> =>
  since === null
    ? accord.select<EndedRun>(
        `SELECT ${endedColumns} FROM runs FORCE INDEX (PRIMARY)
           WHERE gid > ? AND runs.ended_at > UTC_TIMESTAMP(3) - INTERVAL ? HOUR ORDER BY gid LIMIT ?`,
        [last?.gid ?? '', hours, chunk],
      )
    : accord.select<EndedRun>(
        `SELECT ${endedColumns} FROM runs FORCE INDEX (open_runs)
           WHERE runs.ended_at >= CAST(? AS DATETIME(3)) AND (runs.ended_at, gid) > (CAST(? AS DATETIME(3)), ?)
           ORDER BY runs.ended_at, gid LIMIT ?`,
        [last?.ended_at ?? since, last?.ended_at ?? since, last?.gid ?? '', chunk],
      );

interface All {
  readonly readings: ReadonlyMap<Database, Reading>;
  readonly accord: Reading;
  readonly participants: readonly Reading[];
  readonly checks: readonly CrossCheck[];
}

/** @param ended read before anything here is: their rows no longer change. */
async function judge(notes: Notes, all: All, ended: readonly EndedRun[]): Promise<void> {
  if (ended.length === 0) return;
  const { readings, accord, participants, checks } = all;
  const rows = new Map<Database, readonly Row[]>();
  await notes.timed('X2', async () => {
    for (const reading of [accord, ...participants]) {
      rows.set(reading.database, await rowsOf(reading, ended));
    }
    for (const { database } of participants) {
      judgeEndings(notes, database, ended, rows.get(database) ?? []);
    }
  });
  judgeDecisions(notes, ended, rows);
  const byPrograms = ended.filter(({ resolvedByHand }) => resolvedByHand === null); // What persons did need not add up.
  for (const { id, judge: judged } of checks) {
    await notes.timed(id, async () => {
      const { rows: count, violations } = await judged(readings, byPrograms);
      notes.judged(id, count);
      for (const { database, row } of violations) notes.violation(id, database, row);
    });
  }
}

const rowsOf = (reading: Reading, ended: readonly EndedRun[]): Promise<readonly Row[]> =>
  reading.select<Row>('SELECT gid, branch, state, reserves FROM fence WHERE gid IN (?)', [
    ended.map(({ gid }) => gid),
  ]);

/**
 * X2 for one participant. What a person has skipped is declared until it is booked; of what was done by hand, or booked,
 * nothing may be reserved any more.
 */
function judgeEndings(
  notes: Notes,
  database: Database,
  ended: readonly EndedRun[],
  rows: readonly Row[],
): void {
  const runs = new Map(ended.map((run) => [run.gid, run]));
  notes.judged('X2', rows.length);
  for (const { gid, branch, state, reserves } of rows) {
    const run = runs.get(gid);
    if (!run || isFitting(run.state, { state, reserves, step: stepAt(gid, branch) })) continue;
    const { open, closed } = declaredBranches(run.resolvedByHand);
    if (open.has(branch)) {
      notes.declared('X2', database, stepKeyOf(gid, branch));
      continue;
    }
    if (closed.has(branch) && !(state === 'acted' && reserves === 1)) continue;
    notes.violation('X2', database, { gid, branch, state, ending: run.state });
  }
}

function stepAt(gid: Gid, branch: Branch): PlannedStep | undefined {
  const flow = partsOfGid(gid)?.flow;
  return flow === undefined ? undefined : application().plannedStepOf(flow, branch);
}

interface Standing extends Pick<Row, 'state' | 'reserves'> {
  /** That the branch is of; `undefined`: no plan names it. */
  readonly step: Pick<PlannedStep, 'kind' | 'isRetired'> | undefined;
}

/**
 * Whether a row may stand so behind this ending. A completed transaction may have caught a refusal of a step before its
 * pivot, and has taken back what a step left that its flow has no more.
 */
export function isFitting(ending: Ending, { state, reserves, step }: Standing): boolean {
  const isBack = state === 'undone' || state === 'empty' || state === 'refused';
  if (ending === 'compensated') return isBack;
  if (isBack) return step?.isRetired === true || (state === 'refused' && isCompensable(step));
  return state === 'confirmed' || reserves === 0;
}

const isCompensable = (step: Standing['step']): boolean => step?.kind === 'compensable';

/** A person has answered for it, whatever has become of it. */
function isDeclared({ resolvedByHand }: EndedRun, branch: Branch): boolean {
  const { open, closed } = declaredBranches(resolvedByHand);
  return open.has(branch) || closed.has(branch);
}

/** X6. Rows that retention has taken are no contradiction; there are none of a transaction that ended today. */
function judgeDecisions(
  notes: Notes,
  ended: readonly EndedRun[],
  rows: ReadonlyMap<Database, readonly Row[]>,
): void {
  const decisions = decisionsOf(rows);
  notes.judged('X6', ended.length);
  for (const run of ended) {
    const { gid, state } = run;
    const pivot = stepsOf(gid).find(({ kind }) => kind === 'pivot');
    if (!pivot || pivot.participant === 'regions' || isDeclared(run, pivot.name)) continue;
    const asked = (decisions.get(gid) ?? []).filter(
      ({ branch }) => branch === pivot.name || branch === decideBranch,
    );
    const happened = asked.some((row) => row.state === 'acted' || row.state === 'confirmed');
    if (happened === (state === 'completed')) continue;
    const row = { gid, ending: state, decision: asked.map((of) => of.state) };
    notes.violation('X6', pivot.participant, row);
  }
}

function decisionsOf(
  rows: ReadonlyMap<Database, readonly Row[]>,
): ReadonlyMap<Gid, readonly Row[]> {
  const byGid = new Map<Gid, Row[]>();
  for (const row of [...rows.values()].flat()) {
    const of = byGid.get(row.gid);
    if (of) of.push(row);
    else byGid.set(row.gid, [row]);
  }
  return byGid;
}

function chunked(gids: readonly Gid[]): readonly (readonly Gid[])[] {
  const chunks: (readonly Gid[])[] = [];
  for (let at = 0; at < gids.length; at += chunk) chunks.push(gids.slice(at, at + chunk));
  return chunks;
}
