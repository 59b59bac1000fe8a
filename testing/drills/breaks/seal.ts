/** Says that a switch will never advance its epoch, whether it has or not. */
export {
  advanceEpoch as advanceEpoch,
  deciding,
  decisionOf,
  keep,
  sealRejoin,
} from '../../../activities/regions/switch/decisions';

export const sealSwitch = (): Promise<boolean> => Promise.resolve(false);
