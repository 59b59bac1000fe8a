/** npm run api-key: `accord api-key` on a profile of this checkout. */
import { apiKeyCommand } from '../package/commands/api-key';
import { runCommand } from '../package/report';
import { checkoutSite } from './site';

runCommand(apiKeyCommand(checkoutSite));
