import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Connection } from 'mysql2/promise';

import {
  acknowledgingLock,
  actAlone,
  actTogether,
  keepTogether,
} from '../../../../activities/regions/acknowledging';
import type { HubRow } from '../../../../activities/regions/hub-row';
import { ownDatabases, type OwnDatabases } from '../../../support/databases';
import { eventually } from '../../../support/eventually';
import { openConnection } from '../../../../runtime/mysql/door';

/** What a server says that is told how to acknowledge: those of these tests are without the plug-in for it. */
const order = 'rpl_semi_sync_source';

let own: OwnDatabases;
let url: string;
let other: Connection;
let row: HubRow;
const hub = { read: () => Promise.resolve(row) };

beforeAll(async () => {
  own = await ownDatabases(['orders']);
  url = own.adminUrl('orders');
}, 60_000);
afterAll(() => own.drop());
beforeEach(async () => {
  row = { region: 'a', epoch: 4, sync: true, state: 'steady', holder: null, sequence: 2 };
  other = await openConnection({ url: url });
});
afterEach(() => other.destroy());

/** `undefined`: all sessions that want to tell the region how to acknowledge wait for the lock. */
const waiting = async () => {
  const [rows] = await other.query(
    `SELECT 1 FROM information_schema.processlist WHERE state = 'User lock' AND info LIKE ?`,
    [`%${acknowledgingLock}%`],
  );
  return Array.isArray(rows) && rows.length > 0;
};

describe('an active region', () => {
  it('is never told to acknowledge alone where the hub says that a standby acknowledges', async () => {
    await actAlone(hub, url);
    row = { ...row, sync: false };
    await expect(actAlone(hub, url)).rejects.toThrow(order);
  });

  it('is told by one at a time, who reads the hub in his turn: late, he finds what is so by then', async () => {
    row = { ...row, sync: false };
    await other.query('SELECT GET_LOCK(?, 0)', [acknowledgingLock]);
    const late = actAlone(hub, url);
    await eventually(waiting);
    row = { ...row, sync: true };
    await other.query('SELECT RELEASE_LOCK(?)', [acknowledgingLock]);
    await expect(late).resolves.toBeUndefined();
  });

  it('is told to wait for its standby again where the hub says that one acknowledges', async () => {
    await expect(keepTogether(hub, url)).rejects.toThrow(order);
    row = { ...row, sync: false };
    expect(await keepTogether(hub, url)).toBe(false);
  });

  it('is given back to itself where nobody may stand by', async () => {
    row = { ...row, sync: false };
    let reads = 0;
    const counting = { read: () => ((reads += 1), hub.read()) };
    const standsBy = () =>
      Promise.reject(new Error('Nobody may be asked before the region is told.'));
    await expect(actTogether(counting, url, standsBy)).rejects.toThrow(order);
    expect(reads).toBe(1);
  });
});
