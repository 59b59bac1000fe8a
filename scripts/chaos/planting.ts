/**
 * Transactions that must park, so that parking and resolving are part of every run: the undo of a reservation meets a
 * fence row that somebody has changed by hand, which no machine may decide. Then it is repaired and retried over HTTP.
 */
import { createConnection } from 'mysql2/promise';

import { businessIdOf, gidOf } from '../../contracts/ids';
import { pause } from '../stack/waiting';
import type { Trial } from '../trial';
import type { ApiClient } from './http';
import { plantedAccount, poorAccount, tenant } from './world';

export interface Planted {
  readonly gid: string;
  /** It has parked, and was retried with success. */
  readonly isResolved: boolean;
}

const branch = 'reserveStock';
const eachWithinMs = 60_000;

export async function plantParked(
  trial: Trial,
  api: ApiClient,
  reference: string,
): Promise<Planted> {
  const gid = gidOf('order', businessIdOf(tenant, reference));
  await parkInTheMiddle(trial, api, gid, reference);
  const version = await until(async () => {
    const { body } = await api.call('GET', `/v1/transactions/${gid}`);
    return body.state === 'parked' ? body.version : undefined;
  });
  if (version === undefined) return { gid, isResolved: false };
  await setFence(trial, gid, 'confirmed', 'acted');
  await api.call('POST', `/v1/transactions/${gid}/retry`, {
    key: `retry-${gid}`,
    body: { step: branch, expect: { version } },
  });
  const ended = await until(async () => {
    const { body } = await api.call('GET', `/v1/transactions/${gid}`, { waitSeconds: 5 });
    return body.state === 'compensated' ? true : undefined;
  });
  return { gid, isResolved: ended === true };
}

/** Orders that nobody can pay for, all at once. Each reserves stock, and gives it back. */
export async function plantLateActs(api: ApiClient, orders: number): Promise<void> {
  const references = Array.from({ length: orders }, (_, at) => `late-${at + 1}`);
  await Promise.all(
    references.map((reference) =>
      api.call('POST', '/v1/orders', {
        key: `key-${reference}`,
        body: orderBody(reference, poorAccount),
        waitSeconds: 10,
      }),
    ),
  );
}

const orderBody = (reference: string, accountId: string): object => {
  const price = { currency: 'EUR', minorUnits: 300 };
  return {
    orderId: reference,
    customerId: `C-${reference}`,
    lines: [{ sku: 'S-PLENTY', quantity: 1, unitPrice: price }],
    payment: { accountId, amount: price },
  };
};

/** While the payer's row is locked, the reservation is there and the hold is not: the moment to spoil the former. */
async function parkInTheMiddle(
  trial: Trial,
  api: ApiClient,
  gid: string,
  reference: string,
): Promise<void> {
  const session = await createConnection({ uri: trial.adminUrl('accounts') });
  try {
    await session.query('START TRANSACTION');
    await session.query('SELECT id FROM accounts WHERE id = ? FOR UPDATE', [
      businessIdOf(tenant, plantedAccount),
    ]);
    await api.call('POST', '/v1/orders', {
      key: `key-${gid}`,
      body: orderBody(reference, plantedAccount),
    });
    await until(async () =>
      (await setFence(trial, gid, 'acted', 'confirmed')) ? true : undefined,
    );
  } finally {
    session.destroy(); // Ends the transaction, too.
  }
}

/** Behind the back of everybody. @returns whether the row was as expected. */
async function setFence(trial: Trial, gid: string, from: string, to: string): Promise<boolean> {
  const session = await createConnection({ uri: trial.adminUrl('inventory') });
  try {
    const [result] = await session.query(
      'UPDATE fence SET state = ? WHERE gid = ? AND branch = ? AND state = ?',
      [to, gid, branch, from],
    );
    return 'affectedRows' in result && result.affectedRows === 1;
  } finally {
    session.destroy();
  }
}

async function until<Result>(look: () => Promise<Result | undefined>): Promise<Result | undefined> {
  const deadline = Date.now() + eachWithinMs;
  while (Date.now() < deadline) {
    const seen = await look().catch(() => undefined);
    if (seen !== undefined) return seen;
    await pause(50);
  }
  return undefined;
}
