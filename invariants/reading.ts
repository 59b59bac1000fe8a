import { application } from '../contracts/engine/application';

/** A database of the application, by its name without a prefix. */
export type Database = string;

/** Statements that one check reads. */
export interface Reading {
  readonly database: Database;
  /** VARBINARY is text, JSON is parsed, a BIGINT beyond 2^53 stays digits. */
  select<Row extends object>(sql: string, values?: readonly unknown[]): Promise<readonly Row[]>;
}

/** Databases bear a prefix. */
export function databaseOf(url: string): Database {
  const name = new URL(url).pathname;
  const database = application().fenced.find((known) => name.endsWith(known));
  if (!database) throw new Error(`None of our databases: ${name}.`);
  return database;
}
