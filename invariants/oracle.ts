/** A check that is asked inside of one database: its forms, and the statements that many of them share. */
import type { Database } from './reading';
import type { StoredSums } from './stored-sums';

/** What "lately" is, in one snapshot: literals, for they stand in the statements. */
export interface Window {
  /** Start of the period, as MySQL writes a time. */
  readonly since: string;
  /** The largest id that was seen, by table that only grows: rows with a larger id are new. */
  readonly after: Readonly<Record<string, string>>;
}

/** The id behind which rows of a table are new. @throws a plain error: the table is not among those that only grow. */
export function newest({ after }: Window, table: string): string {
  const id = after[table];
  if (id === undefined) throw new Error(`${table} is no table that only grows.`);
  return id;
}

/** A statement, and how many rows it judges. */
export interface Asked {
  readonly sql: string;
  /** SELECT COUNT of what is judged; the same text is counted once a round. */
  readonly counted: string;
}

/** Keys that changed lately, whose sums are compared with their stored sums: a key may have a long history. */
export interface AskedByKey {
  /** @returns `id`. */
  readonly keys: string;
  readonly sums: StoredSums;
  readonly counted: string;
}

export interface Oracle {
  /** Short, and for good: reports, runbook and drills name it. */
  readonly id: string;
  readonly name: string;
  /**
   * `reserving`: every participant of the application. `accord` is none: `decide` has no event of its own, `transaction.*`
   * no fence row.
   */
  readonly databases: readonly Database[] | 'reserving' | 'fenced';
  readonly whole: Asked;
  /** `null`: it is asked of everything or not at all. */
  readonly lately: ((window: Window) => Asked | AskedByKey) | null;
}

export const countOf = (from: string): string => `SELECT COUNT(*) AS n FROM ${from}`;

/** Fence rows that began lately and are kept: an index finds them. Older ones are looked at with the whole. */
const newFence = ({ since }: Window): string =>
  `fence FORCE INDEX (sweep) WHERE expires_at IS NULL AND created_at > '${since}'`;
export const newEffects = (window: Window): string =>
  `(SELECT gid, branch, state, reserves, epoch, created_at FROM ${newFence(window)})`;
export const countFence = (window: Window): string => countOf(newFence(window));

/** One form for both: it is cheap, or there is no smaller part of it. */
export const always = (asked: Asked): Pick<Oracle, 'whole' | 'lately'> => ({
  whole: asked,
  lately: () => asked,
});

/** Business rows whose state must be the one of their fence row. `open`, `done`, `back`: acted, confirmed, undone. */
interface States {
  readonly open: string;
  readonly done: string;
  readonly back: string;
}
const wanted = ({ open, done, back }: States): string =>
  `CASE b.state WHEN '${open}' THEN 'acted' WHEN '${done}' THEN 'confirmed' WHEN '${back}' THEN 'undone' END`;
export const againstFence = (table: string, states: States): string => `
  SELECT b.gid, b.branch, b.state, f.state AS fence
    FROM ${table} b LEFT JOIN fence f ON f.gid = b.gid AND f.branch = b.branch
    WHERE (f.gid IS NULL AND b.state = '${states.open}') OR f.state <> ${wanted(states)}`;
export const newAgainstFence = (window: Window, table: string, states: States): string => `
  SELECT b.gid, b.branch, b.state, f.state AS fence
    FROM ${newEffects(window)} f STRAIGHT_JOIN ${table} b ON b.gid = f.gid AND b.branch = f.branch
    WHERE f.state <> ${wanted(states)}`;

/** Reservations that only the fence knows. */
export const onlyInFence = (effects: string, ...tables: readonly string[]): string => `
  SELECT f.gid, f.branch, 'missing' AS state, f.state AS fence FROM ${effects} f
    WHERE f.reserves = 1 AND f.state = 'acted' AND ${tables
      .map(
        (table) =>
          `NOT EXISTS (SELECT 1 FROM ${table} b WHERE b.gid = f.gid AND b.branch = f.branch)`,
      )
      .join(' AND ')}`;
