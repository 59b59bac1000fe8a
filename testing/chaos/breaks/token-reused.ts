/** One token an effect instead of one a SQL transaction: a retry takes itself for the first. */
import { createHash } from 'node:crypto';

import * as sound from '../../../activities/fence/session';
import { stepKeyOf } from '../../../contracts/engine/ids';

export {
  announce,
  attemptAgeMaxMs,
  byEffect,
  effectEvents,
  failed,
  miscounted,
  rowOf,
  succeeded,
} from '../../../activities/fence/session';

const tokenOf = (effect: { readonly gid: string; readonly branch: string } | undefined): Buffer =>
  createHash('sha256')
    .update(effect ? stepKeyOf(effect.gid, effect.branch) : '')
    .digest()
    .subarray(0, 16);

export const enter: typeof sound.enter = (session, origin, entries) =>
  origin.state === 'acted'
    ? sound.enter({ ...session, token: tokenOf(entries[0]) }, origin, entries)
    : sound.enter(session, origin, entries);

export const isOwn: typeof sound.isOwn = (row) => row.token.equals(tokenOf(row));
