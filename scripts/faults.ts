/** npm run faults: `accord faults` of the application of this checkout. */
import './application';

import { faultsCommand } from '../package/commands/faults';
import { runCommand } from '../package/report';

runCommand(faultsCommand());
