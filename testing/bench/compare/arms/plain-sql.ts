import { createHttpClient } from '../../http-client';
import { freePort } from '../../../../runtime/ports';
import type { Arm } from '../arm';
import { createBooks } from '../bank';
import { answersAt, playOver, serviceProgram, start, transferOf } from '../program';

const name = 'peer-plain-sql';

/** What the two branches cost without any coordinator: the upper bound, and the one arm that a crash breaks. */
export const plainSql: Arm = {
  name: 'plain-sql',
  title: 'two SQL transactions, no coordinator: a crash between them loses money',
  inFlight: 64, // 464/s at 4, 804 at 16, 1,097 at 64, 812 at 128: commits of one moment share a flush.
  async open({ stack, run, atEnd }) {
    const books = await createBooks(stack.mysql.adminUrl, `bench_plain_sql_${run}`, atEnd);
    const http = createHttpClient();
    atEnd(() => http.close());
    const port = await freePort();
    const url = `http://127.0.0.1:${port}/transfer`;
    const env = { BANK_URL: books.url, PORT: String(port) };
    await start(stack, serviceProgram('plain-sql', name, env, answersAt(http, url)), atEnd);
    return {
      version: `Node.js ${process.versions.node}`,
      processes: [name, 'mysql'],
      play: (at) => playOver(http, url, transferOf(run, at)),
      check: (played) => books.check(played),
    };
  },
};
