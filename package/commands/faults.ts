/** accord faults: every place that FAULTS may name, with its points, and the kinds of faults. */
import { Command } from 'commander';

import {
  colors,
  jsonOption,
  print,
  printJson,
  reportTo,
  tableOf,
  type JsonTarget,
} from '../report';
import { faultMenu } from '../../runtime/faults/menu';
import { faultKinds } from '../../runtime/faults/points';

const whens = ['nth', 'from-to', 'p=0..1', 'of=<reference>'];

function list({ json }: { readonly json?: JsonTarget }): void {
  reportTo(json);
  const places = faultMenu();
  const rows = places.map(({ name, points, isDelivery }) => {
    const dup = isDelivery ? 'yes' : '–';
    return [name, points.join(' '), dup];
  });
  print(tableOf(['name', 'points', 'dup'], rows));
  print(`Kinds: ${faultKinds.join(', ')}; dup stands at the point before.`);
  print(`When:  ${whens.join(', ')}; left out, every time.`);
  const [first] = places; // The menu begins with the operations of the application.
  if (first) print(`Such as FAULTS=${colors.bold(`${first.name}:afterCommit:kill:1`)}`);
  printJson(json, { places, kinds: faultKinds, whens });
}

export const faultsCommand = (): Command =>
  new Command('faults')
    .description('The syntax of FAULTS (docs/proof.md).')
    .addOption(jsonOption())
    .action(list);
