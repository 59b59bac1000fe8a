/** The checks that an application adds to those that every application has. */
import { genericOracles } from './generic';
import type { CrossCheck } from './cross-database';
import { countOf, type Oracle } from './oracle';
import type { Database } from './reading';

export interface Checks {
  readonly oracles: readonly Oracle[];
  /** Across databases, of transactions that have ended. */
  readonly across: readonly CrossCheck[];
  /**
   * The tables that only grow, by database. Each has an `id`, by which new rows are read. `outbox` is one everywhere.
   */
  readonly growing: Readonly<Record<Database, readonly string[]>>;
}

/** A check of a project: asked of everything that its participant keeps. */
export interface OwnCheck {
  /** Short, and for good. No check that every application has bears it. */
  readonly id: string;
  readonly name: string;
  readonly participant: string;
  /** One SELECT; each row is a violation. One with `gid` and `branch` is excused where a person has answered for it. */
  readonly sql: string;
  /** SELECT COUNT(*) AS n of what it judges; left out: the effects of the participant. */
  readonly counted?: string;
}

export const noChecks: Checks = { oracles: [], across: [], growing: {} };

/** @throws a plain error: an id is taken. */
export function checksOf(own: readonly OwnCheck[]): Checks {
  const taken = own.find(({ id }) => genericOracles.some((oracle) => oracle.id === id));
  if (taken) throw new Error(`Accord has a check ${taken.id} of its own.`);
  return { ...noChecks, oracles: own.map(oracleOf) };
}

const oracleOf = ({ id, name, participant, sql, counted }: OwnCheck): Oracle => ({
  id,
  name,
  databases: [participant],
  whole: { sql: `SELECT * FROM (${sql}) violations`, counted: counted ?? countOf('fence') },
  lately: null,
});

/** Those of every application and these, by id. */
export const oraclesWith = ({ oracles }: Pick<Checks, 'oracles'>): readonly Oracle[] =>
  [...genericOracles, ...oracles].sort((one, other) =>
    one.id < other.id ? -1 : Number(one.id > other.id),
  );
