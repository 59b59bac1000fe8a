import { Option } from 'commander';

import { laneModes, type LaneMode } from '../api/transactions/lanes';

/** How the API carries starts; a flow that has no batches is single all the same. */
export const laneOption = (): Option =>
  new Option(
    '--lane <lane>',
    'single: a workflow each; mixed: starts that come together share one; batch: a lone one, too',
  )
    .choices(laneModes)
    .default('mixed' satisfies LaneMode);
