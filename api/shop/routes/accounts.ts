import { z } from 'zod';

import { businessIdOf } from '../../../contracts/engine/ids';
import type { Cursors } from '../../http/cursor';
import { Problem } from '../../http/errors';
import { principalOf, type Api } from '../../http/route-rules';
import { cursor, digits, idParams, limit, time, withoutTenant } from '../../http/schemas';
import type { AccountViewsStore, EntryView } from '../stores/account-views-store';

const accountSchema = z
  .object({
    accountId: z.string(),
    kind: z.enum(['customer', 'merchant', 'clearing', 'external']),
    currency: z.string(),
    status: z.enum(['open', 'closed']),
    /** Free, in minor units; `held` is set aside beside it. */
    balance: digits,
    held: digits,
    asOf: time,
  })
  .meta({ id: 'Account' });

const entrySchema = z
  .object({
    entryId: digits,
    gid: z.string(),
    step: z.string(),
    currency: z.string(),
    /** What the account gained, in minor units. */
    amount: digits,
    at: time,
  })
  .meta({ id: 'LedgerEntry' });

interface AccountRoutes {
  readonly accountViews: AccountViewsStore;
  readonly cursors: Cursors;
}

/** What the accounts of the tenant hold, and how it came to be. */
export function accountRoutes(api: Api, { accountViews, cursors }: AccountRoutes): void {
  const find = async (accountId: string) => {
    const view = await accountViews.find(accountId);
    if (!view) throw new Problem('not_found');
    return view;
  };

  api.get('/v1/accounts/:id', {
    config: { rules: { kind: 'read', scope: 'tx:read' } },
    schema: {
      summary: 'One account: what is free, and what is set aside',
      params: idParams,
      response: { 200: accountSchema },
    },
    handler: async (request) => {
      const view = await find(businessIdOf(principalOf(request).tenant, request.params.id));
      return {
        ...view,
        accountId: withoutTenant(view.accountId),
        asOf: view.asOf.toISOString(),
      };
    },
  });

  api.get('/v1/accounts/:id/entries', {
    config: { rules: { kind: 'list', scope: 'tx:read' } },
    schema: {
      summary: 'Ledger entries of an account, newest first',
      params: idParams,
      querystring: z.strictObject({ limit, cursor: cursor.optional() }),
      response: {
        200: z.object({ items: z.array(entrySchema), nextCursor: z.string().nullable() }),
      },
    },
    handler: async (request) => {
      const accountId = businessIdOf(principalOf(request).tenant, request.params.id);
      const { limit: size, cursor: from } = request.query;
      const boundTo = { list: 'entries', accountId };
      const before = from === undefined ? undefined : cursors.decode(from, boundTo).id;
      await find(accountId);
      const entries = await accountViews.entries(accountId, size + 1, before);
      const { page, nextCursor } = cursors.pageOf(entries, size, boundTo, ({ entryId }) => entryId);
      return { items: page.map(entryOf), nextCursor };
    },
  });
}

const entryOf = (entry: EntryView): z.infer<typeof entrySchema> => ({
  ...entry,
  at: entry.at.toISOString(),
});
