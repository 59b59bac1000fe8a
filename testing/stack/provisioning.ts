import { givenAddresses } from './config';
import { readStack, secret as secretOf, type Profile } from './stack';
import { databasePrefix } from '../../runtime/databases/names';
import { type DatabaseUrls, shopDatabases } from '../../runtime/databases/shop';
import { provision } from '../../runtime/databases/provision';

/**
 * `provision` for a profile of this checkout, with the profile's secrets. MYSQL_URL, an administrator's address, takes
 * the place of its own server.
 *
 * @param rotates as of `provision`.
 * @throws one sentence where there is no MySQL, or where others have given its users other passwords.
 */
export async function provisionProfile(profile: Profile, rotates = false): Promise<DatabaseUrls> {
  const adminUrl = givenAddresses().mysql ?? (await readStack(profile))?.mysql.adminUrl;
  if (adminUrl === undefined) {
    throw new Error(
      `No MySQL: set MYSQL_URL, or bring one up with npm run stack -- up --profile ${profile}.`,
    );
  }
  return provision(adminUrl, {
    ...shopDatabases,
    prefix: databasePrefix,
    rotates,
    secret: (name) => secretOf(profile, name),
  });
}
