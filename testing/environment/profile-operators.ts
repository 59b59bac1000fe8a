/** Operators of a profile of this checkout: the API of each profile takes its own tokens, and no others. */
import { join } from 'node:path';

import { folderOf, makeFolder, type Profile } from '../stack/profile';
import type { Issuer } from './operators';

export function operatorsOf(profile: Profile): Issuer {
  makeFolder(profile);
  return { folder: join(folderOf(profile), 'operators'), name: `urn:accord:${profile}` };
}
