/** How every command of this checkout tells what it found: as those of the package do. */
import './application';

export {
  colors,
  conclude,
  jsonOption,
  print,
  printJson,
  reportTo,
  runCommand,
  runCommandAndLeave,
  say,
  tableOf,
  type JsonTarget,
  type Verdict,
} from '../package/report';
