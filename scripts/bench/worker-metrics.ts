/** What the transaction workers count themselves. */
import { readFileSync } from 'node:fs';

import type { LocalApplication } from '../local-application';
import { logFileOf } from '../stack/process';

const retries = /^accord_sql_retries_total(?:\{[^}]*\})? (\d+)/gm;
const started = /"metricsPort":(\d+)/g;

/** SQL transactions that were rolled back and tried again inside a worker, for a deadlock or a lock that came late. */
export async function sqlRetriesOf({ processes, stack }: LocalApplication): Promise<number> {
  const workers = [...processes].filter(([, role]) => role === 'worker');
  const counts = await Promise.all(workers.map(([name]) => retriesOfWorker(stack.folder, name)));
  return counts.reduce((sum, count) => sum + count, 0);
}

/** A worker takes any free port for its metrics; its log says which. */
async function retriesOfWorker(folder: string, name: string): Promise<number> {
  const port = [...readFileSync(logFileOf(folder, name), 'utf8').matchAll(started)].at(-1)?.[1];
  if (port === undefined) throw new Error(`${name} has not said where its metrics are.`);
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return [...text.matchAll(retries)].reduce((sum, [, count]) => sum + Number(count), 0);
}
