import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { createCoupons } from '../../../../activities/coupons/activities';
import { createInventory } from '../../../../activities/inventory/activities';
import { createOrders } from '../../../../activities/orders/activities';
import type { SqlPool } from '../../../../activities/fence/sql-transaction';
import type { AccountsActivities } from '../../../../contracts/participants';
import { businessIdOf, gidOf, stepKeyOf, type StepKey } from '../../../../contracts/engine/ids';
import type { Keyed, SetActivity } from '../../../../contracts/engine/verdict';
import { checkInvariants } from '../../../../testing/verify/verification';
import { ownDatabases, unhurried, type OwnDatabases } from '../../../support/databases';
import { accountsOver } from '../../../support/fenced-accounts';
import { participantFence } from '../../../support/participant-fence';

/** A TCC participant as the fence sees it: three calls on one branch, and what its rows come to. */
interface Tcc {
  readonly name: string;
  readonly branch: string;
  /** As try, with the request's own fields. */
  try(key: StepKey): ReturnType<SetActivity<Keyed, unknown>>;
  confirm: SetActivity<Keyed, unknown>;
  cancel: SetActivity<Keyed, unknown>;
  /** [free, set aside, gone] of the one resource that all tries of the test want. */
  counts(): Promise<readonly number[]>;
}

const tenant = 'acme';
const own = (id: string) => businessIdOf(tenant, id);
const keyed = (key: StepKey): Keyed => ({ key, minEpoch: 0 });
const eur = (minorUnits: number) => ({ currency: 'EUR', minorUnits }) as const;
let counter = 0;
const aKey = (branch: string): StepKey =>
  stepKeyOf(gidOf('checkout', own(`T-${(counter += 1)}`)), branch);

describe('every TCC participant', () => {
  let databases: OwnDatabases;
  let participants: readonly Tcc[];
  let admins: Readonly<Record<'inventory' | 'accounts' | 'coupons' | 'orders', SqlPool>>;

  beforeAll(async () => {
    databases = await ownDatabases(['inventory', 'accounts', 'coupons', 'orders']);
    const admin = (name: keyof typeof admins) => databases.pool(databases.adminUrl(name));
    admins = {
      inventory: admin('inventory'),
      accounts: admin('accounts'),
      coupons: admin('coupons'),
      orders: admin('orders'),
    };
    await plant(admins);
    participants = participantsOf(databases, admins);
  });
  afterAll(() => databases.drop());

  const forEach = async (law: (tcc: Tcc) => Promise<void>): Promise<void> => {
    for (const tcc of participants) await law(tcc);
  };
  const statesOf = (verdicts: readonly { readonly ok: boolean; readonly fence: string }[]) =>
    verdicts.map(({ ok, fence }) => [ok, fence]);

  it('tries once and answers the same however often the try comes, in a row and at once (B1)', () =>
    forEach(async (tcc) => {
      const before = await tcc.counts();
      const key = aKey(tcc.branch);
      expect(statesOf(await tcc.try(key))).toEqual([[true, 'first']]);
      const again = (await Promise.all([1, 2, 3, 4, 5, 6].map(() => tcc.try(key)))).flat();
      expect(new Set(again.map(({ fence }) => fence))).toEqual(new Set(['duplicate']));
      await tcc.cancel([keyed(key)]);
      const together = aKey(tcc.branch);
      const raced = (await Promise.all([1, 2, 3, 4, 5, 6].map(() => tcc.try(together)))).flat();
      expect(raced.filter(({ fence }) => fence === 'first')).toHaveLength(1);
      await tcc.cancel([keyed(together)]);
      expect(await tcc.counts()).toEqual(before);
    }));

  it('refuses a try that comes after its cancel, and the cancel is ok with nothing to do (B2, B4)', () =>
    forEach(async (tcc) => {
      const before = await tcc.counts();
      const key = aKey(tcc.branch);
      const cancels = (await Promise.all([1, 2, 3].map(() => tcc.cancel([keyed(key)])))).flat();
      expect(cancels.every(({ ok }) => ok)).toBe(true);
      expect(await tcc.try(key)).toMatchObject([{ ok: false, failure: 'Fenced' }]);
      expect(await tcc.counts()).toEqual(before);
    }));

  it('cancels once, however often and together with its own try (B3)', () =>
    forEach(async (tcc) => {
      const before = await tcc.counts();
      for (let round = 0; round < 10; round += 1) {
        const key = aKey(tcc.branch);
        await Promise.all([tcc.try(key), tcc.cancel([keyed(key)])]);
        await Promise.all([tcc.cancel([keyed(key)]), tcc.cancel([keyed(key)])]);
      }
      expect(await tcc.counts()).toEqual(before);
    }));

  it('confirms once, and breaks loudly on a confirm without try, after a cancel, and a cancel after it (B6)', () =>
    forEach(async (tcc) => {
      expect(await tcc.confirm([keyed(aKey(tcc.branch))])).toMatchObject([
        { ok: false, failure: 'InvariantBroken' },
      ]);
      const cancelled = aKey(tcc.branch);
      await tcc.try(cancelled);
      await tcc.cancel([keyed(cancelled)]);
      expect(await tcc.confirm([keyed(cancelled)])).toMatchObject([
        { ok: false, failure: 'InvariantBroken' },
      ]);
      const key = aKey(tcc.branch);
      await tcc.try(key);
      const confirms = (
        await Promise.all([1, 2, 3, 4].map(() => tcc.confirm([keyed(key)])))
      ).flat();
      expect(confirms.every(({ ok }) => ok)).toBe(true);
      const after = await tcc.counts();
      expect(await tcc.cancel([keyed(key)])).toMatchObject([
        { ok: false, failure: 'InvariantBroken' },
      ]);
      expect(statesOf(await tcc.try(key))).toEqual([[true, 'duplicate']]);
      expect(await tcc.counts()).toEqual(after);
    }));

  it('keeps every row in step with its effects over random overlapping sets (B18)', () =>
    forEach(async (tcc) => {
      const keys = Array.from({ length: 12 }, () => aKey(tcc.branch));
      const some = () => keys.filter(() => Math.random() < 0.5).map(keyed);
      const anyCall = (): Promise<unknown> => {
        const set = some();
        if (set.length === 0) return Promise.resolve();
        const dice = Math.random();
        if (dice < 0.4) return Promise.all(set.map(({ key }) => tcc.try(key)));
        return dice < 0.7 ? tcc.cancel(set) : tcc.confirm(set);
      };
      await Promise.all(Array.from({ length: 60 }, anyCall));
      const { violations } = await checkInvariants(databases.urls.VERIFY_DATABASE_URLS);
      expect(violations).toEqual([]);
    }));
});

describe('a try is refused', () => {
  let databases: OwnDatabases;
  let coupons: ReturnType<typeof createCoupons>;
  let accounts: AccountsActivities;
  beforeAll(async () => {
    databases = await ownDatabases(['accounts', 'coupons']);
    await plantCoupons(databases.pool(databases.adminUrl('coupons')));
    await plantAccounts(databases.pool(databases.adminUrl('accounts')));
    const fenceOf = (url: string) => participantFence(databases.pool(url));
    coupons = createCoupons(fenceOf(databases.urls.COUPONS_DATABASE_URL));
    accounts = accountsOver(fenceOf(databases.urls.ACCOUNTS_DATABASE_URL));
  });
  afterAll(() => databases.drop());

  it.each([
    ['C-NONE', 'C-1', 100, 'C-NONE is unknown'],
    ['C-OLD', 'C-1', 100, 'C-OLD has expired'],
    ['C-OF-9', 'C-1', 100, 'C-OF-9 belongs to another customer'],
    ['C-10', 'C-1', 99, 'C-10 takes off 1.00 EUR, not 0.99 EUR'],
    ['C-ONCE', 'C-1', 100, 'C-ONCE is used up'],
  ])('of coupon %s by %s for %i', async (coupon, customer, minor, detail) => {
    const request = {
      couponId: own(coupon),
      customerId: own(customer),
      discount: eur(minor),
      minEpoch: 0,
    };
    // The only piece is taken by another one; of the other coupons this is refused as well.
    await coupons.reserveCoupon([{ ...request, key: aKey('coupon') }]);
    const key = aKey('coupon');
    const refusal = { ok: false, failure: 'CouponUnusable', detail };
    expect(await coupons.reserveCoupon([{ ...request, key }])).toMatchObject([refusal]);
    expect(await coupons.reserveCoupon([{ ...request, key }])).toMatchObject([
      { ...refusal, fence: 'refused' }, // Recorded: a delayed first attempt meets it (B21).
    ]);
  });

  it('of a coupon that is worth less than the whole price, and not of one that is worth more', async () => {
    const whole = {
      ...{ couponId: own('C-10'), customerId: own('C-1'), minEpoch: 0 },
      isWholePrice: true as const,
    };
    const cheap = { ...whole, key: aKey('coupon'), discount: eur(99) };
    expect(await coupons.reserveCoupon([cheap])).toMatchObject([{ ok: true }]);
    const dear = { ...whole, key: aKey('coupon'), discount: eur(101) };
    expect(await coupons.reserveCoupon([dear])).toMatchObject([
      { ok: false, failure: 'CouponUnusable', detail: 'C-10 takes off 1.00 EUR, not 1.01 EUR' },
    ]);
  });

  it.each([
    ['A-1', 'nobody', 'EUR', 'nobody is unknown'],
    ['A-1', 'A-closed', 'EUR', 'A-closed is closed'],
    ['A-1', 'A-1', 'EUR', 'A-1 would pay itself'],
    ['A-1', 'clearing', 'USD', 'clearing is not in USD'],
    ['A-closed', 'clearing', 'EUR', 'A-closed is closed'],
    ['external', 'A-1', 'EUR', 'external belongs to the books alone'],
    ['clearing', 'A-1', 'EUR', 'clearing belongs to the books alone'],
  ] as const)('of a debit of %s for %s in %s', async (from, to, currency, detail) => {
    const verdicts = await accounts.reserveDebit([
      {
        key: aKey('debit'),
        minEpoch: 0,
        accountId: own(from),
        payeeId: own(to),
        amount: { currency, minorUnits: 5 },
      },
    ]);
    expect(verdicts).toMatchObject([{ ok: false, failure: 'AccountUnavailable', detail }]);
  });

  it('of a debit that the account cannot pay, and of a credit to an account that is closed', async () => {
    const debit = { minEpoch: 0, accountId: own('A-1'), payeeId: own('clearing') };
    expect(
      await accounts.reserveDebit([{ ...debit, key: aKey('debit'), amount: eur(1_000_000) }]),
    ).toMatchObject([{ ok: false, failure: 'InsufficientFunds' }]);
    const credit = { minEpoch: 0, sourceId: own('clearing'), amount: eur(1) };
    expect(
      await accounts.reserveCredit([
        { ...credit, key: aKey('credit'), accountId: own('A-closed') },
        { ...credit, key: aKey('credit'), accountId: own('A-1') },
      ]),
    ).toMatchObject([{ ok: false, failure: 'AccountUnavailable' }, { ok: true }]);
  });
});

function participantsOf(
  databases: OwnDatabases,
  admins: Readonly<Record<'inventory' | 'accounts' | 'coupons' | 'orders', SqlPool>>,
): readonly Tcc[] {
  const { urls } = databases;
  const fenceOf = (url: string) =>
    participantFence(databases.pool(url, { connectionLimit: 16, limits: unhurried }));
  const inventory = createInventory(fenceOf(urls.INVENTORY_DATABASE_URL));
  const accounts = accountsOver(fenceOf(urls.ACCOUNTS_DATABASE_URL));
  const coupons = createCoupons(fenceOf(urls.COUPONS_DATABASE_URL));
  const orders = createOrders(fenceOf(urls.ORDERS_DATABASE_URL));
  const numbers = (pool: SqlPool, sql: string) => async () => {
    const [row] = await pool.select<Record<string, unknown>>(sql);
    return Object.values(row ?? {}).map(Number);
  };
  return [
    {
      name: 'stock',
      branch: 'stock',
      try: (key) =>
        inventory.reserveStock([{ ...keyed(key), lines: [{ sku: own('S-1'), quantity: 1 }] }]),
      confirm: inventory.confirmStock,
      cancel: inventory.releaseStock,
      counts: numbers(admins.inventory, 'SELECT available, frozen, sold FROM stock'),
    },
    {
      name: 'debit',
      branch: 'debit',
      try: (key) =>
        accounts.reserveDebit([
          { ...keyed(key), accountId: own('A-1'), payeeId: own('clearing'), amount: eur(7) },
        ]),
      confirm: accounts.confirmDebit,
      cancel: accounts.releaseFunds,
      counts: numbers(
        admins.accounts,
        `SELECT balance, held FROM accounts WHERE id = '${own('A-1')}'`,
      ),
    },
    {
      name: 'credit',
      branch: 'credit',
      try: (key) =>
        accounts.reserveCredit([
          { ...keyed(key), accountId: own('M-1'), sourceId: own('clearing'), amount: eur(7) },
        ]),
      confirm: accounts.confirmCredit,
      cancel: accounts.cancelCredit,
      counts: numbers(
        admins.accounts,
        `SELECT balance, (SELECT COUNT(*) FROM credits WHERE state = 'reserved') FROM accounts WHERE id = '${own('M-1')}'`,
      ),
    },
    {
      name: 'coupon',
      branch: 'coupon',
      try: (key) =>
        coupons.reserveCoupon([
          { ...keyed(key), couponId: own('C-10'), customerId: own('C-1'), discount: eur(100) },
        ]),
      confirm: coupons.useCoupon,
      cancel: coupons.releaseCoupon,
      counts: numbers(
        admins.coupons,
        `SELECT available, frozen, used FROM coupons WHERE id = '${own('C-10')}'`,
      ),
    },
    {
      name: 'order',
      branch: 'order',
      try: (key) =>
        orders.createOrder([
          {
            ...keyed(key),
            orderId: own(key.replace(/[^A-Za-z0-9]/g, '-')),
            customerId: own('C-1'),
            lines: [{ sku: own('S-1'), quantity: 1, unitPrice: eur(107) }],
            amount: eur(7),
            discount: eur(100),
            fencingToken: null,
          },
        ]),
      confirm: orders.completeOrder,
      cancel: orders.cancelOrder,
      counts: numbers(
        admins.orders,
        `SELECT COUNT(IF(status = 'created', 1, NULL)), COUNT(IF(status = 'completed', 1, NULL)) FROM orders`,
      ),
    },
  ];
}

async function plant(
  admins: Readonly<Record<'inventory' | 'accounts' | 'coupons', SqlPool>>,
): Promise<void> {
  await admins.inventory.change(
    'INSERT INTO stock (sku, tenant, total, available) VALUES (?, ?, 500, 500)',
    [own('S-1'), tenant],
  );
  await plantAccounts(admins.accounts);
  await plantCoupons(admins.coupons);
}

async function plantAccounts(admin: SqlPool): Promise<void> {
  const accounts = [
    ['A-1', 'customer', 'open', 5_000],
    ['A-closed', 'customer', 'closed', 0],
    ['M-1', 'merchant', 'open', 0],
    ['clearing', 'clearing', 'open', 0],
    ['external', 'external', 'open', -5_000],
  ].map(([id, kind, status, balance]) => [own(String(id)), tenant, kind, 'EUR', status, balance]);
  await admin.change(
    'INSERT INTO accounts (id, tenant, kind, currency, status, balance) VALUES ?',
    [accounts],
  );
  await admin.change(
    'INSERT INTO ledger_entries (gid, branch, op, account_id, currency, amount) VALUES ?',
    [
      [
        ['opening:A-1', 'opening', 'opening', own('A-1'), 'EUR', 5_000],
        ['opening:A-1', 'opening', 'opening', own('external'), 'EUR', -5_000],
      ],
    ],
  );
}

async function plantCoupons(admin: SqlPool): Promise<void> {
  const inAnHour = new Date(Date.now() + 3_600_000);
  const coupons = [
    ['C-10', null, 500, inAnHour],
    ['C-ONCE', null, 1, inAnHour],
    ['C-OLD', null, 5, new Date(Date.now() - 1_000)],
    ['C-OF-9', own('C-9'), 5, inAnHour],
  ].map(([id, customer, pieces, expiresAt]) => [
    own(String(id)),
    tenant,
    customer,
    pieces,
    pieces,
    'EUR',
    100,
    expiresAt,
  ]);
  await admin.change(
    `INSERT INTO coupons (id, tenant, customer_id, total, available, discount_currency, discount_minor, expires_at)
       VALUES ?`,
    [coupons],
  );
}
