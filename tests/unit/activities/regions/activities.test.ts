import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';

import {
  createRegionsActivities,
  type SwitchDependencies,
} from '../../../../activities/regions/switch/activities';
import type { HubRow, HubStore, Standing } from '../../../../activities/regions/hub-row';
import type { RouterAnswer } from '../../../../activities/regions/router-protocol';
import { serveLines } from '../../../../runtime/json-lines';

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

/** A switch that has begun, and may still be taken back. */
const open: Standing = { isHolder: true, decision: undefined };
const standing = (more: Partial<Standing>): Pick<HubStore, 'standingOf'> => ({
  standingOf: () => Promise.resolve({ ...open, ...more }),
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
      ...standing({}),
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
  const lost = { advanceEpoch: () => Promise.resolve(false) };

  it.each([1, 2])('that does not hold is looked at again after attempt %i', async (attempt) => {
    const { advanceEpoch } = activitiesOf(lost, { attempt: () => attempt });
    await expect(advanceEpoch([asked('advanceEpoch')])).rejects.toMatchObject({
      type: 'PostconditionFailed',
      nonRetryable: false,
    });
  });

  it.each([3, 9])('that does not hold in attempt %i is the answer', async (attempt) => {
    const { advanceEpoch } = activitiesOf(lost, { attempt: () => attempt });
    expect(await advanceEpoch([asked('advanceEpoch')])).toEqual([
      {
        ...{ gid, branch: 'advanceEpoch', verb: 'act', epoch: 0, fence: 'broken' },
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
    const { advanceEpoch } = activitiesOf(
      {
        advanceEpoch: () => Promise.resolve(true),
        standingOf: (of) => Promise.resolve({ ...open, isHolder: of === other }),
      },
      { attempt: () => 3 },
    );
    const verdicts = await advanceEpoch([asked('advanceEpoch'), asked('advanceEpoch', other)]);
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

const before = [
  'closeRoutes',
  'fenceRegion',
  'drainRegion',
  'measureLoss',
  'advanceEpoch',
] as const;
const behind = ['promoteRegion', 'promoteRedis', 'openRoutes', 'republish', 'endSwitch'] as const;
const undos = ['resumeReplication', 'unfenceRegion', 'reopenRoutes', 'abortSwitch'] as const;
type Step = (typeof before | typeof behind | typeof undos)[number];

/** Asks neither region nor router, which are not there: to ask them would be another failure. */
async function attempted(step: Step, of: Partial<Standing>): Promise<unknown> {
  const activities = activitiesOf(standing(of), { attempt: () => 3 });
  const perform = activities[step] as typeof activities.closeRoutes;
  const [verdict] = await perform([asked(step)]);
  return verdict;
}
const failed = (detail: string) => ({ ok: false, failure: 'PostconditionFailed', detail });
const advanced = { decision: 'happened' } as const;
const sealed = { decision: 'never' } as const;

describe('a switch that has advanced its epoch', () => {
  it.each(undos)('is never taken back: %s', async (step) => {
    const refused = failed(`${gid} has advanced its epoch: a promotion is not taken back.`);
    expect(await attempted(step, advanced)).toMatchObject(refused);
    expect(await attempted(step, { ...advanced, isHolder: false })).toMatchObject(refused);
  });

  it.each(before)('does not do again what comes before that: %s', async (step) => {
    expect(await attempted(step, advanced)).toMatchObject({ ok: true, result: null });
    expect(await attempted(step, { ...advanced, isHolder: false })).toMatchObject({ ok: true });
  });

  it.each(behind)(
    'and has ended touches nothing that others have moved since: %s',
    async (step) => {
      const told = await attempted(step, { ...advanced, isHolder: false });
      expect(told).toMatchObject({ ok: true, result: null });
    },
  );
});

describe('a switch that has not advanced its epoch', () => {
  it.each(behind)('promotes nobody, and leads nobody anywhere: %s', async (step) => {
    const refused = failed(`${gid} has not advanced its epoch: no region may be promoted.`);
    expect(await attempted(step, {})).toMatchObject(refused);
    expect(await attempted(step, sealed)).toMatchObject(refused);
  });

  it.each(undos)('is not taken back before it is sealed: %s', async (step) => {
    expect(await attempted(step, {})).toMatchObject(
      failed(`${gid} may advance its epoch yet: it was not sealed.`),
    );
  });

  it.each(undos)(
    'and was taken back before, or never began, leaves nothing to undo: %s',
    async (step) => {
      const gone = { ok: true, result: null };
      expect(await attempted(step, { ...sealed, isHolder: false })).toMatchObject(gone);
      expect(await attempted(step, { isHolder: false })).toMatchObject(gone);
    },
  );

  it.each(before)(
    'goes no further once it is sealed, or where the row is not its own: %s',
    async (step) => {
      const refused = failed(`The hub's row is not of ${gid}.`);
      expect(await attempted(step, sealed)).toMatchObject(refused);
      expect(await attempted(step, { isHolder: false })).toMatchObject(refused);
    },
  );

  it('is sealed by the hub, which is asked with what the switch was asked for', async () => {
    const told: unknown[] = [];
    const { sealSwitch } = activitiesOf({
      sealSwitch: (of) => Promise.resolve(told.push(of) > 1),
    });
    expect(await sealSwitch([asked('promoteRegion')])).toMatchObject([
      { gid, branch: 'promoteRegion', verb: 'seal', ok: true, result: { happened: false } },
    ]);
    expect(told).toEqual([{ gid, from: 'a', to: 'b', epoch: 4 }]);
  });
});

describe('an attempt of a rejoin', () => {
  const steps = ['exportErrant', 'rebuildRegion', 'followActive', 'acknowledge'] as const;
  const rejoin = { minEpoch: 0, cluster: 'main', region: 'a', active: 'b', epoch: 4 };
  async function late(step: (typeof steps)[number], hasEnded: boolean): Promise<unknown> {
    const activities = activitiesOf(
      {
        read: () => Promise.resolve(aRow({ region: 'a', epoch: 5 })),
        hasEnded: () => Promise.resolve(hasEnded),
      },
      { attempt: () => 3 },
    );
    const perform = activities[step] as typeof activities.followActive;
    const [verdict] = await perform([{ ...rejoin, key: `failback:main.2-1/${step}` }]);
    return verdict;
  }

  it.each(steps)('whose region has become the active one touches nothing: %s', async (step) => {
    expect(await late(step, false)).toMatchObject(failed('The regions have moved since epoch 4.'));
  });

  it.each(steps)('that has ended is told again without a word: %s', async (step) => {
    expect(await late(step, true)).toMatchObject({ ok: true, result: null });
  });
});

describe('what the hub does not let begin', () => {
  it.each([
    [{ epoch: 5 }, 'The cluster is in epoch 5, not in 4 any more.'],
    [
      { state: 'failing-over', holder: 'failover:main.1-1' },
      'failover:main.1-1 is switching regions already.',
    ],
    [{ region: 'b' }, 'Region b is the active one, not a.'],
    [{}, 'It was taken back before it began.'],
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
