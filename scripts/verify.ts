/** npm run verify: `accord verify` on a profile of this checkout. */
import { verifyCommand } from '../package/commands/verify';
import { runCommand } from '../package/report';
import { checkoutSite } from './site';

runCommand(verifyCommand(checkoutSite));
