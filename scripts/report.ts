/** How every command of this checkout tells what it found: as those of the package do. */
import './application';

export {
  colors,
  conclude,
  fail,
  jsonOption,
  print,
  printJson,
  reportTo,
  say,
  tableOf,
  type JsonTarget,
  type Verdict,
} from '../package/report';
