/** Finds no run without an owner, so such a run never ends. */
import type * as sound from '../../../activities/reconciliation/open-runs';

export { asFound } from '../../../activities/reconciliation/open-runs';

export const openRunsBehind: typeof sound.openRunsBehind = () =>
  Promise.resolve({ runs: [], next: null });
