/**
 * Clients of the API while regions are switched. Each accepted start is written to a file outside of every database.
 * A start of unknown outcome is sent again with its key until its outcome is known.
 */
import { appendFileSync, writeFileSync } from 'node:fs';

import { createApiClient } from '../chaos/http';
import { pause } from '../../runtime/waiting';

export interface ClientRecord {
  /** gids of what the API has accepted. */
  readonly accepted: readonly string[];
  /** Starts whose outcome is still unknown after every retry. */
  readonly undecided: number;
  /** Answers 503 while no start was accepted. */
  readonly refused: number;
}

export interface Clients {
  stop(): Promise<ClientRecord>;
}

const clientsAtOnce = 3;
const restMs = 1_500; // About two orders a second: with more, two cores that carry two regions are what is measured.
const askAgainMs = 100;
/** Once the drill is over: until then a switch may take its time. */
const decidedWithinMs = 30_000;

/** @param file where the record stands, a line for each gid. */
export function startClients(site: {
  readonly apiUrl: string;
  readonly authorization: string;
  readonly file: string;
}): Clients {
  const api = createApiClient(site.apiUrl, site.authorization);
  const run = Date.now().toString(36);
  const accepted: string[] = [];
  const counts = { undecided: 0, refused: 0 };
  let stoppedAt = Infinity;
  writeFileSync(site.file, '');

  /** The same order under the same key, until somebody says what became of it. */
  async function order(reference: string): Promise<void> {
    do {
      const { certainty, status, body } = await api.call('POST', '/v1/orders', {
        key: `key-${reference}`,
        body: orderBody(reference),
      });
      if (certainty === 'ok' && body.gid !== undefined) {
        accepted.push(body.gid);
        appendFileSync(site.file, `${body.gid}\n`);
        return;
      }
      if (certainty === 'fail') {
        if (status === 503) counts.refused += 1;
        return;
      }
      await pause(askAgainMs);
    } while (Date.now() < stoppedAt + decidedWithinMs);
    counts.undecided += 1;
  }

  const working = Array.from({ length: clientsAtOnce }, async (_, at) => {
    for (let n = 0; stoppedAt === Infinity; n += 1) {
      await order(`D-${run}-${at}-${n}`);
      await pause(restMs);
    }
  });
  return {
    async stop() {
      stoppedAt = Date.now();
      await Promise.all(working);
      return { accepted, ...counts };
    },
  };
}

const orderBody = (orderId: string): object => {
  const price = { currency: 'EUR', minorUnits: 1 };
  return {
    orderId,
    customerId: `C-${orderId}`,
    lines: [{ sku: 'S-1', quantity: 1, unitPrice: price }],
    payment: { accountId: 'A-RICH', amount: price },
  };
};
