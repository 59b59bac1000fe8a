import { describe, expect, it } from '@jest/globals';

import { createSwitchRequests, questionIdOf } from '../../../../activities/regions/switch/requests';
import type { SqlPool } from '../../../../activities/fence/sql-transaction';
import { approvalActionSchema } from '../../../../api/approvals/actions';
import { now } from './watching';

const gid = 'failover:main.4';
const wanted = {
  ...{ epoch: 7, sequence: 3, from: 'a', to: 'b', since: now },
  ...{ reason: 'Region a is silent.', force: true },
};

/** Keeps what is written, and refuses a key that is there. */
function aHub() {
  const written = new Map<unknown, readonly unknown[]>();
  const change = (_: string, values: readonly unknown[] = []) => {
    const [id] = values;
    if (written.has(id)) return Promise.reject(Object.assign(new Error('There.'), { errno: 1062 }));
    written.set(id, values);
    return Promise.resolve(1);
  };
  return { written, hub: { change } as unknown as SqlPool }; // Only a single statement is used.
}

describe('a question to a person', () => {
  it('is what the API can show and carry out', async () => {
    const { written, hub } = aHub();
    await createSwitchRequests(hub, 'main', () => now).ask(wanted);
    const [id, tenant, of, action] = [...written.values()][0] ?? [];
    expect([id, tenant, of]).toEqual([questionIdOf(gid, now), 'main', gid]);
    expect(approvalActionSchema.parse(JSON.parse(String(action)))).toEqual({
      ...{ kind: 'failover', gid, failover: 'unplanned', from: 'a', to: 'b' },
      ...{ reason: 'Region a is silent.', acceptLoss: 0, force: true, sequence: 3, epoch: 7 },
    });
  });

  it('is one for one outage, and another one for the next', async () => {
    const { written, hub } = aHub();
    const requests = createSwitchRequests(hub, 'main', () => now);
    for (const since of [now, now, now + 60_000]) await requests.ask({ ...wanted, since });
    await requests.ask({ ...wanted, sequence: 4 });
    expect(written.size).toBe(3);
  });

  it('has an id as every other one, that stands where its time belongs', () => {
    const ids = [now, now + 1, now + 60_000].map((since) => questionIdOf(gid, since));
    expect([...ids].sort()).toEqual(ids);
    for (const id of ids) expect(id).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/);
  });
});
