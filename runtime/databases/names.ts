/** Which databases an application has, and by which variables processes reach them. */
import type { BusinessRights, Rights } from './rights';

export interface User<Variable extends string = string> {
  /** With the prefix at most 32 letters, MySQL's bound. */
  readonly name: string;
  /** Bears its addresses. */
  readonly variable: Variable;
  /** Names of participants, or `accord`. */
  readonly databases: readonly string[];
  readonly rights: Rights;
}

/** What the databases of an application are made from. `accord` is every application's, and made with them. */
export interface ApplicationDatabases<
  Participant extends string = string,
  Own extends string = never,
> {
  /** For each participant of the application, the folder with the migrations of its database. */
  readonly migrations: Readonly<Record<Participant, string>>;
  /** What processes may do in its business tables; left out: the default of `rights.ts`. */
  readonly rights?: Readonly<Partial<Record<Participant, BusinessRights>>>;
  /** Beside those of every application. Left out: none. */
  readonly users?: readonly User<Own>[];
}

/** Variables of every application. The plural ones hold several addresses, separated by commas. */
export type EngineVariable =
  | 'ACCORD_DATABASE_URL'
  | 'RELAY_DATABASE_URLS'
  | 'API_DATABASE_URL'
  | 'API_BOOKS_DATABASE_URLS'
  | 'VERIFY_DATABASE_URLS';

/** As `databaseVariableOf` makes it: `HOTEL_DATABASE_URL`, `CAR_RENTAL_DATABASE_URL`. */
export type VariableOf<Participant extends string> = string extends Participant
  ? string
  : `${Snake<Participant>}_DATABASE_URL`;

type Snake<Name extends string> = Name extends `${infer Letter}${infer Rest}`
  ? `${Letter extends Lowercase<Letter> ? Uppercase<Letter> : `_${Letter}`}${Snake<Rest>}`
  : '';

/** The address in each variable that a process reads. */
export type DatabaseUrls<
  Participant extends string = string,
  Own extends string = never,
> = Readonly<Record<EngineVariable | VariableOf<Participant> | Own, string>>;

/** Prefix of the databases of a profile, in development, tests and demo. */
export const databasePrefix = 'accord_';
