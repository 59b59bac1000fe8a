/** npm run faults: every place that FAULTS may name, with its points, and the kinds of faults. */
import Table from 'cli-table3';
import { Command } from 'commander';
import colors from 'picocolors';

import { faultMenu } from '../processes/fault-menu';
import { faultKinds } from '../processes/fault-points';

const whens = ['nth', 'from-to', 'p=0..1', 'of=<reference>'];

function list({ json }: { readonly json?: boolean }): void {
  if (json === true) {
    console.log(JSON.stringify({ places: faultMenu, kinds: faultKinds, whens }, undefined, 2));
    return;
  }
  const table = new Table({ head: ['name', 'points', 'dup'], style: { compact: true } });
  for (const { name, points, isDelivery } of faultMenu) {
    table.push([name, points.join(' '), isDelivery ? 'yes' : '–']);
  }
  console.log(table.toString());
  console.log(`Kinds: ${faultKinds.join(', ')}; dup stands at the point before.`);
  console.log(`When:  ${whens.join(', ')}; left out, every time.`);
  console.log(`Such as FAULTS=${colors.bold('accounts.captureFunds:afterCommit:kill:1')}`);
}

new Command('faults')
  .description('What FAULTS may say (docs/proof.md).')
  .option('--json', 'print the list as JSON')
  .action(list)
  .parse();
