/** npm run migrate: `accord migrate` on a profile of this checkout. */
import { migrateCommand } from '../package/commands/migrate';
import { runCommand } from '../package/report';
import { checkoutSite } from './site';

runCommand(migrateCommand(checkoutSite));
