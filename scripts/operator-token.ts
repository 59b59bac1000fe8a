/** npm run operator-token: `accord operator-token` on a profile of this checkout. */
import { operatorTokenCommand } from '../package/commands/operator-token';
import { runCommand } from '../package/report';
import { checkoutSite } from './site';

runCommand(operatorTokenCommand(checkoutSite));
