/** What Accord takes for granted of a MySQL server: its product and version, how it keeps commits, and that its sessions are what the door has asked for. */
import type { BrokenPremise } from '../premises';
import { settingsOf, type SessionLimits } from './session';

/** Older ones lack what we rely on. */
export const oldestMySql = '8.4';

/** Runs one SELECT without values. */
export type Ask = (sql: string) => Promise<readonly Readonly<Record<string, unknown>>[]>;

interface Product {
  readonly product: string;
  readonly version: string;
}

/** How others that speak MySQL's protocol name themselves in their version. */
const impostors = ['MariaDB', 'TiDB', 'Vitess', 'OceanBase', 'SingleStore', 'Dolt'];

async function productOf(ask: Ask): Promise<Product> {
  const [row = {}] = await ask('SELECT VERSION() AS version, @@version_comment AS comment');
  const version = String(row['version']);
  const said = `${version} ${String(row['comment'])}`.toLowerCase();
  const product = impostors.find((name) => said.includes(name.toLowerCase())) ?? 'MySQL';
  return { product, version: /^\d+(\.\d+)*/.exec(version)?.[0] ?? 'unknown' };
}

/** Asks nothing that only MySQL of today knows: for a server that has refused the session. */
export async function brokenProduct(ask: Ask): Promise<readonly BrokenPremise[]> {
  const { product, version } = await productOf(ask);
  const isMySql = product === 'MySQL';
  if (isMySql && isAtLeast(version, oldestMySql)) return [];
  return [
    {
      ...{ product, version, isRequired: true, setting: 'version' },
      found: isMySql ? version : product,
      wanted: `MySQL ${oldestMySql} or later`,
      remedy: isMySql
        ? 'Upgrade it, or use another server.'
        : `${product} is no substitute: use a MySQL server.`,
    },
  ];
}

interface ServerPremise {
  readonly setting: string;
  readonly isKept: (value: string) => boolean;
  readonly wanted: string;
  readonly remedy: string;
  /** It says something about the binary log, which a server may do without. */
  readonly isOfLog?: true;
}

const durable = 'Set it: after a loss of power a commit that Accord has reported would be gone.';
const packetBytes = 4_194_304;

/** What no session can choose for itself. */
const serverPremises: readonly ServerPremise[] = [
  {
    setting: 'innodb_flush_log_at_trx_commit',
    isKept: (value) => value === '1',
    wanted: '1',
    remedy: durable,
  },
  {
    setting: 'sync_binlog',
    isKept: (value) => value === '1',
    wanted: '1',
    remedy: durable,
    isOfLog: true,
  },
  {
    setting: 'binlog_format',
    isKept: (value) => value !== 'STATEMENT',
    wanted: 'ROW',
    remedy: 'Set it: MySQL refuses writes of READ COMMITTED sessions otherwise.',
    isOfLog: true,
  },
  {
    setting: 'innodb_rollback_on_timeout',
    isKept: (value) => value === '0',
    wanted: 'OFF',
    remedy:
      'Start the server with it: after a lock wait the rest of a SQL transaction would commit by itself.',
  },
  {
    setting: 'max_allowed_packet',
    isKept: (value) => Number(value) >= packetBytes,
    wanted: `at least ${packetBytes}`,
    remedy: 'Set it: sets of large requests would be refused.',
  },
];

/** @param ask on a session that the door has opened with `limits`. */
export async function brokenPremises(
  ask: Ask,
  limits: SessionLimits,
): Promise<readonly BrokenPremise[]> {
  const wrong = await brokenProduct(ask);
  if (wrong.length > 0) return wrong;
  const { product, version } = await productOf(ask);
  const session = settingsOf(limits);
  const columns = [
    ...Object.keys(session).map((name) => `CAST(@@SESSION.${name} AS CHAR) AS ${name}`),
    ...serverPremises.map(({ setting }) => `CAST(@@GLOBAL.${setting} AS CHAR) AS ${setting}`),
    'CAST(@@GLOBAL.log_bin AS CHAR) AS log_bin',
  ];
  const [row = {}] = await ask(`SELECT ${columns.join(', ')}`);
  const found = (name: string): string => String(row[name]);
  const broken = { product, version, isRequired: true };
  return [
    ...Object.entries(session)
      .filter(([name, value]) => !isSame(found(name), String(value)))
      .map(([setting, value]) => ({
        ...{ ...broken, setting, found: found(setting), wanted: String(value) },
        remedy: 'Let no proxy between Accord and MySQL share or reset sessions.',
      })),
    ...serverPremises
      .filter(({ isOfLog }) => isOfLog !== true || found('log_bin') === '1')
      .filter(({ setting, isKept }) => !isKept(found(setting)))
      .map(({ setting, wanted, remedy }) => ({
        ...{ ...broken, setting, found: found(setting), wanted, remedy },
      })),
  ];
}

/** Lists, such as `sql_mode`, come back in an order of their own. */
const isSame = (found: string, wanted: string): boolean => sorted(found) === sorted(wanted);
const sorted = (list: string): string => list.split(',').sort().join();

function isAtLeast(version: string, oldest: string): boolean {
  const parts = version.split('.').map(Number);
  for (const [index, wanted] of oldest.split('.').map(Number).entries()) {
    const part = parts[index] ?? 0;
    if (part !== wanted) return part > wanted;
  }
  return true;
}
