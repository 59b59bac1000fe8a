import { join } from 'node:path';

import { shop } from '../../contracts/shop';
import { shopSums } from '../../invariants/shop';
import { runTransactionWorker } from './run';
import { shopImplementations, shopJobActivities, shopSchedules } from './shop';

runTransactionWorker({
  application: shop,
  implementations: shopImplementations,
  workflows: { bundlePath: join(__dirname, '..', '..', 'workflow-bundle.js') }, // Built: dist/workflow-bundle.js.
  schedules: shopSchedules,
  jobActivities: shopJobActivities,
  storedSums: shopSums,
});
