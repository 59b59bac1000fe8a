import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';

import {
  createRegionsActivities,
  type SwitchDependencies,
} from '../../../../activities/regions/activities';
import type { HubRow, HubStore } from '../../../../activities/regions/hub-row';
import type { RouterAnswer } from '../../../../activities/regions/router-protocol';
import { serveLines } from '../../../../scripts/regions/json-lines';

const gid = 'failover:main.2-1';
const move = { cluster: 'main', from: 'a', to: 'b', kind: 'planned', epoch: 4 } as const;
const asked = (branch: string, of: string = gid) => ({
  key: `${of}/${branch}`,
  minEpoch: 0,
  ...move,
});
const beginning = (of: string = gid) => ({ ...asked('beginSwitch', of), mayBeginAlone: false });

const aRow = (more: Partial<HubRow> = {}): HubRow => ({
  region: 'a',
  epoch: 4,
  sync: true,
  state: 'steady',
  holder: null,
  sequence: 2,
  ...more,
});

const unasked = (): never => {
  throw new Error('Nobody was to ask for this.');
};

/** The hub as it answers; what it is not told to answer, nobody may ask. */
const aHub = (answers: Partial<HubStore>): HubStore =>
  new Proxy(answers as HubStore, {
    get: (store, name) => (name in store ? store[name as keyof HubStore] : unasked),
  });

const activitiesOf = (hub: Partial<HubStore>, more: Partial<SwitchDependencies> = {}) =>
  createRegionsActivities({
    hub: aHub({
      read: () => Promise.resolve(aRow({ state: 'failing-over', holder: gid })),
      ...hub,
    }),
    router: '127.0.0.1:1',
    regions: {},
    participants: [],
    probe: { user: 'app', password: 'app', database: 'orders' },
    attempt: () => 1,
    entering: () => Promise.resolve(),
    ...more,
  });

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function routerThat(answers: RouterAnswer): Promise<string> {
  const server = createServer((socket) => serveLines(socket, () => answers));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('a postcondition of a switch', () => {
  const lost = { burn: () => Promise.resolve(false) };

  it.each([1, 2])('that does not hold is looked at again after attempt %i', async (attempt) => {
    const { burnEpoch } = activitiesOf(lost, { attempt: () => attempt });
    await expect(burnEpoch([asked('burnEpoch')])).rejects.toMatchObject({
      type: 'PostconditionFailed',
      nonRetryable: false,
    });
  });

  it.each([3, 9])('that does not hold in attempt %i is the answer', async (attempt) => {
    const { burnEpoch } = activitiesOf(lost, { attempt: () => attempt });
    expect(await burnEpoch([asked('burnEpoch')])).toEqual([
      {
        ...{ gid, branch: 'burnEpoch', verb: 'act', epoch: 0, fence: 'broken' },
        ok: false,
        failure: 'PostconditionFailed',
        detail: "Epoch 5 is another one's.",
      },
    ]);
  });

  it.each([1, 3, 9])(
    'is not what failed when the hub is away: attempt %i is made again, for as long as it takes',
    async (attempt) => {
      const outage = new Error('connect ECONNREFUSED');
      const { beginSwitch } = activitiesOf(
        { begin: () => Promise.reject(outage) },
        { attempt: () => attempt },
      );
      await expect(beginSwitch([beginning()])).rejects.toBe(outage);
    },
  );

  it('that holds is answered as a fence answers', async () => {
    const { beginSwitch } = activitiesOf({ begin: () => Promise.resolve(true) });
    const name = { gid, branch: 'beginSwitch', verb: 'act', epoch: 0, fence: 'first' };
    expect(await beginSwitch([beginning()])).toEqual([{ ...name, ok: true, result: null }]);
  });

  it('of one item of a set is no answer for its neighbours', async () => {
    const other = 'failover:main.3-1';
    const { burnEpoch } = activitiesOf(
      {
        burn: () => Promise.resolve(true),
        read: () => Promise.resolve(aRow({ state: 'failing-over', holder: other })),
      },
      { attempt: () => 3 },
    );
    const verdicts = await burnEpoch([asked('burnEpoch'), asked('burnEpoch', other)]);
    expect(verdicts.map((verdict) => ({ gid: verdict.gid, ok: verdict.ok }))).toEqual([
      { gid, ok: false },
      { gid: other, ok: true },
    ]);
  });

  it('is also that nobody has decided since: an order of an epoch that is over is not tried for ever', async () => {
    const router = await routerThat({ ok: false, error: 'epoch 4 is over', epoch: 5 });
    const { closeRoutes } = activitiesOf({}, { router, attempt: () => 3 });
    expect(await closeRoutes([asked('closeRoutes')])).toMatchObject([
      { failure: 'PostconditionFailed', detail: 'The router has obeyed epoch 5 already.' },
    ]);
  });

  it('is not looked at where the router is away or has refused for another reason', async () => {
    const router = await routerThat({ ok: false, error: 'no such route' });
    const refused = activitiesOf({}, { router, attempt: () => 3 });
    await expect(refused.closeRoutes([asked('closeRoutes')])).rejects.toThrow('no such route');
    const away = activitiesOf({}, { attempt: () => 3 });
    await expect(away.closeRoutes([asked('closeRoutes')])).rejects.toThrow('ECONNREFUSED');
  });

  it('is not made so before a drill that holds the attempt lets it go', async () => {
    const order: string[] = [];
    const { beginSwitch } = activitiesOf(
      { begin: () => Promise.resolve(order.push('begun') > 0) },
      { entering: () => Promise.resolve().then(() => void order.push('held')) },
    );
    await beginSwitch([beginning()]);
    expect(order).toEqual(['held', 'begun']);
  });
});

describe('an attempt of a switch that is over', () => {
  const over = { read: () => Promise.resolve(aRow({ holder: null })) };
  const steps = [
    ...['closeRoutes', 'reopenRoutes', 'fenceRegion', 'unfenceRegion', 'followAgain'],
    ...['burnEpoch', 'promoteRegion', 'promoteRedis', 'republish', 'openRoutes'],
  ] as const;

  it.each(steps)('touches nothing: %s', async (step) => {
    const activities = activitiesOf(over, { attempt: () => 3 });
    const perform = activities[step] as typeof activities.closeRoutes;
    expect(await perform([asked(step)])).toMatchObject([
      { failure: 'PostconditionFailed', detail: `The hub's row is not of ${gid}.` },
    ]);
  });

  it.each(['exportErrant', 'rebuildRegion', 'followActive', 'acknowledge'] as const)(
    'and of a rejoin whose region has become the active one touches nothing: %s',
    async (step) => {
      const moved = { read: () => Promise.resolve(aRow({ region: 'a', epoch: 5 })) };
      const activities = activitiesOf(moved, { attempt: () => 3 });
      const key = `failback:main.2-1/${step}`;
      const rejoin = { key, minEpoch: 0, cluster: 'main', region: 'a', active: 'b', epoch: 4 };
      const perform = activities[step] as typeof activities.followActive;
      expect(await perform([rejoin])).toMatchObject([
        { failure: 'PostconditionFailed', detail: 'The regions have moved since epoch 4.' },
      ]);
    },
  );

  it('says nothing of regions that others have moved since', async () => {
    const { endSwitch } = activitiesOf(over);
    expect(await endSwitch([asked('endSwitch')])).toMatchObject([{ ok: true }]);
  });

  it('gives back no row that is not its own', async () => {
    const { abortSwitch } = activitiesOf(over);
    expect(await abortSwitch([asked('beginSwitch')])).toMatchObject([{ ok: true }]);
  });
});

describe('what the hub does not let begin', () => {
  it.each([
    [{ epoch: 5 }, 'The cluster is in epoch 5, not in 4 any more.'],
    [
      { state: 'failing-over', holder: 'failover:main.1-1' },
      'failover:main.1-1 is switching regions already.',
    ],
    [
      { sync: false },
      'The standby does not acknowledge: a person has to say that it may begin all the same.',
    ],
  ] as const)(
    'is refused at once, and not tried again: a switch where the row is %j',
    async (row, detail) => {
      const { beginSwitch } = activitiesOf({
        begin: () => Promise.resolve(false),
        read: () => Promise.resolve(aRow(row)),
      });
      expect(await beginSwitch([beginning()])).toMatchObject([
        { ok: false, fence: 'refused', failure: 'ParticipantRefused', detail },
      ]);
    },
  );

  it('is refused at once, and not tried again: a rejoin of the active region, or in another epoch', async () => {
    const { beginRejoin } = activitiesOf({ rejoin: () => Promise.resolve(false) });
    const key = 'failback:main.2-1/beginRejoin';
    const rejoin = { key, minEpoch: 0, cluster: 'main', region: 'a', active: 'b', epoch: 4 };
    expect(await beginRejoin([rejoin])).toMatchObject([
      { ok: false, failure: 'ParticipantRefused', detail: expect.stringContaining('epoch 4') },
    ]);
  });
});
