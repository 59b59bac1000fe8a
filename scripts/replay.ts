/** npm run replay: `accord replay` on a profile of this checkout. */
import { replayCommand } from '../package/commands/replay';
import { runCommand } from '../package/report';
import { checkoutSite } from './site';

runCommand(replayCommand(checkoutSite));
