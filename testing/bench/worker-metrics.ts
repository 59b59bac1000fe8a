/** What the transaction workers count themselves. */
import type { LocalApplication } from '../environment/local-application';

const retries = /^accord_sql_retries_total(?:\{[^}]*\})? (\d+)/gm;

/** SQL transactions that were rolled back and tried again inside a worker, for a deadlock or a lock that came late. */
export async function sqlRetriesOf({ processes, application }: LocalApplication): Promise<number> {
  const workers = [...processes].filter(([, role]) => role === 'worker');
  const counts = await Promise.all(
    workers.map(([name]) => retriesOfWorker(name, application.metricsUrl(name))),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}

async function retriesOfWorker(name: string, metricsUrl: string | undefined): Promise<number> {
  if (metricsUrl === undefined)
    throw new Error(`${name} has not logged the address of its metrics.`);
  const text = await (await fetch(metricsUrl)).text();
  return [...text.matchAll(retries)].reduce((sum, [, count]) => sum + Number(count), 0);
}
