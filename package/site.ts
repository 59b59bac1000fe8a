/**
 * Where commands find servers and keys. An installed package has its environment alone; a checkout has profiles, whose
 * servers take the place of what the environment leaves out.
 */
import type { Option } from 'commander';

import type { Issuer } from '../testing/environment/operators';
import type { AskedOf, InvariantAddresses } from '../testing/verify/verification';

/** What the options of a site said, as commander has read them. */
export type SiteOptions = Readonly<Record<string, unknown>>;

export interface TemporalAddress {
  readonly address: string;
  readonly namespace: string;
  readonly apiKey?: string | undefined;
}

/** Every answer that the site does not have is one sentence that says what to set. */
export interface Site {
  /** What a command takes so that people can name the site: none where there is one. */
  readonly options: (whose: string) => readonly Option[];
  /** Creates and migrates what is missing. @returns databases, and by variable the addresses that processes read. */
  readonly migrate: (options: SiteOptions) => Promise<{
    readonly databases: readonly string[];
    readonly urls: Readonly<Record<string, string>>;
  }>;
  /** Address for a user who may read and write keys. */
  readonly apiDatabaseUrl: (options: SiteOptions) => Promise<string>;
  /** What can be asked, SQL alone where `quick`. */
  readonly books: (
    options: SiteOptions,
    quick: boolean,
  ) => Promise<{ readonly addresses: InvariantAddresses; close(): Promise<void> }>;
  /** What must hold in the application of this site, beside what every application must keep. */
  readonly asked: () => AskedOf;
  readonly temporal: (options: SiteOptions) => Promise<TemporalAddress>;
  /** Path of the bundle that transaction workers load. */
  readonly workflowBundle: () => Promise<string>;
  readonly operators: (options: SiteOptions) => Issuer;
  /** Default tenant of an operator's token. Left out: a tenant must be given. */
  readonly tenant?: string;
}
