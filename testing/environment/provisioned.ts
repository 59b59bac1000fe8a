import type { DatabaseUrls } from '../../runtime/databases/shop';
import { provisionProfile } from '../stack/provisioning';
import { provisionRegions } from '../drills/cluster';
import type { Profile } from '../stack/profile';

/**
 * Databases and users of a profile that is up, made where they are missing. Safe to repeat.
 *
 * @param rotates as of `provision`. Those of regions stand on servers of this checkout alone: nobody else has made them.
 */
export const provisioned = (profile: Profile, rotates = false): Promise<DatabaseUrls> =>
  profile === 'regions' ? provisionRegions() : provisionProfile(profile, rotates);
