import { DatabaseNotOpened } from '../../invariants/mysql-session';
import { databaseUrls, readEnvironment } from '../../runtime/environment';
import { environmentWith } from '../stack/config';

const shape = { VERIFY_DATABASE_URLS: databaseUrls().optional() };

/** Addresses for a user who may read, separated by commas. `undefined`: not given. @throws ConfigurationError */
export const givenVerifyUrls = (): string | undefined =>
  readEnvironment(shape, environmentWith({})).VERIFY_DATABASE_URLS?.join(',');

/** The same error for a given address. It names the variable. */
export const asGiven = (error: unknown): unknown =>
  error instanceof DatabaseNotOpened
    ? new Error(`VERIFY_DATABASE_URLS: ${error.message}`, { cause: error })
    : error;
