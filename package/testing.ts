/** `accord/testing`: what the tests of a project ask of a server: that everything holds, and that open runs replay. */
export {
  openInvariants,
  type InvariantAddresses,
  type OpenInvariants,
} from '../testing/verify/verification';
export { replayHistories, type GateOptions, type Verdict } from '../testing/replay/gate';
export { historiesInFiles, historiesOnServer } from '../testing/replay/sources';
