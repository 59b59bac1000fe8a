import { Readable } from 'node:stream';

import { z } from 'zod';

import { businessIdOf, gidOf, type BusinessId } from '../../../contracts/engine/ids';
import {
  settlementPageRows,
  type SettlementInput,
} from '../../../contracts/participants/settlements';
import { deadlineMs } from '../../../contracts/engine/transaction';
import type { Config } from '../../config';
import type { Cursors } from '../../http/cursor';
import { Problem } from '../../http/errors';
import { currencyAt, fault, refuse } from '../../http/refusals';
import { csvMedia, jsonMedia, preferredOf } from '../../http/media';
import { principalOf, waitingHandlerMs, type Api } from '../../http/route-rules';
import { linkOf } from '../../transactions/run-view';
import { currencyCode, cursor, digits, idParams, time, withoutTenant } from '../../http/schemas';
import { csvOf } from '../settlement-report';
import type { Starts } from '../../transactions/starts';
import {
  settlementStatuses,
  type PositionView,
  type SettlementView,
  type SettlementViewsStore,
} from '../stores/settlement-views-store';
import { noParams, startRoute } from '../../routes/start-route';

/** Positions of one page of a report. */
const positionsMax = 1_000;

const settlementBody = z
  .strictObject({ currency: currencyCode, day: z.iso.date() })
  .meta({ id: 'NewSettlement', examples: [{ currency: 'EUR', day: '2026-11-20' }] });

const settlementSchema = z
  .object({
    settlementId: z.string(),
    currency: z.string(),
    day: z.iso.date(),
    /** Open: its positions may still grow. */
    status: z.enum(settlementStatuses),
    movements: z.number(),
    credited: digits,
    debited: digits,
    net: digits,
    requestedBy: z.string(),
    openedAt: time,
    closedAt: time.nullable(),
    links: z.object({ transaction: z.string(), report: z.string() }),
  })
  .meta({ id: 'Settlement' });

const reportSchema = settlementSchema
  .extend({
    positions: z.array(
      z.object({
        account: z.string(),
        movements: z.number(),
        credited: digits,
        debited: digits,
        net: digits,
      }),
    ),
    nextCursor: z.string().nullable(),
  })
  .meta({ id: 'SettlementReport' });

interface SettlementRoutes {
  readonly config: Pick<Config, 'secret'>;
  readonly starts: Starts;
  readonly settlementViews: SettlementViewsStore;
  readonly cursors: Cursors;
}

export function settlementRoutes(
  api: Api,
  { config, starts, settlementViews, cursors }: SettlementRoutes,
): void {
  startRoute(
    api,
    { starts, secret: config.secret },
    {
      url: '/v1/settlements',
      summary: 'Settles what the merchants of a currency gained up to the end of a day',
      params: noParams,
      body: settlementBody,
      prepare({ currency: code, day }, { tenant, subject }) {
        const now = starts.now();
        const faults = hasBegun(day, now)
          ? []
          : [fault('/day', 'day_not_over', 'ends at 24:00 UTC')];
        const currency = currencyAt('/currency', code, faults);
        refuse(faults);
        if (!isOver(day, now)) {
          const detail = 'The day ends at 24:00 UTC, and is taken five seconds later.';
          throw new Problem('not_yet', { detail, retryAfterSeconds: secondsLeft(day, now) });
        }
        const reference = `${currency}-${day}`;
        const input: SettlementInput = {
          ...starts.inputOf('settlement', tenant, reference, deadlineMs.default),
          settlementId: businessIdOf(tenant, reference),
          currency,
          day,
          requestedBy: subject,
          pageRows: settlementPageRows,
        };
        return { input, reference };
      },
    },
  );

  const find = async (settlementId: BusinessId): Promise<SettlementView> => {
    const view = await settlementViews.find(settlementId);
    if (!view) throw new Problem('not_found');
    return view;
  };

  api.get('/v1/settlements/:id', {
    config: { rules: { kind: 'read', scope: 'tx:read' } },
    schema: {
      summary: 'One settlement',
      params: idParams,
      response: { 200: settlementSchema },
    },
    handler: async (request) =>
      settlementOf(await find(businessIdOf(principalOf(request).tenant, request.params.id))),
  });

  api.get('/v1/settlements/:id/report', {
    config: {
      rules: { kind: 'list', scope: 'tx:read', media: [...jsonMedia, csvMedia] },
    },
    handlerTimeout: waitingHandlerMs, // A report may have many pages.
    schema: {
      summary: 'Positions of the merchants: JSON by pages, or all of them as text/csv',
      params: idParams,
      querystring: z.strictObject({
        limit: z.coerce.number().pipe(z.int().min(1).max(positionsMax)).default(positionsMax),
        cursor: cursor.optional(),
      }),
      response: { 200: reportSchema },
    },
    handler: async (request, reply) => {
      const settlementId = businessIdOf(principalOf(request).tenant, request.params.id);
      const settlement = await find(settlementId);
      if (preferredOf(request.headers.accept, [...jsonMedia, csvMedia]) === csvMedia) {
        const lines = csvOf(settlement, await pagesOf(settlementViews, settlementId));
        return reply
          .type(`${csvMedia}; charset=utf-8; header=present`)
          .send(Readable.from(lines) as never); // The schema is that of the JSON.
      }
      const { limit, cursor: from } = request.query;
      const boundTo = { list: 'positions', settlementId };
      const after = from === undefined ? undefined : cursors.decode(from, boundTo).id;
      const rows = await settlementViews.positions(settlementId, limit + 1, after);
      const { page, nextCursor } = cursors.pageOf(rows, limit, boundTo, (row) => row.accountId);
      return { ...settlementOf(settlement), positions: page.map(positionOf), nextCursor };
    },
  });
}

/** Every position, a page at a time. The first is read before an answer begins: where it fails, that is a problem. */
async function pagesOf(
  views: SettlementViewsStore,
  settlementId: BusinessId,
): Promise<AsyncIterable<readonly PositionView[]>> {
  const first = await views.positions(settlementId, positionsMax);
  return (async function* () {
    for (let page = first; page.length > 0;) {
      yield page;
      const last = page.at(-1);
      page =
        last && page.length === positionsMax
          ? await views.positions(settlementId, positionsMax, last.accountId)
          : [];
    }
  })();
}

/** Largest difference between the clocks of two machines. */
const clockSkewMs = 5_000;

/**
 * Whether a UTC day is over, with a margin: the participant decides by its own clock, and a refusal of its stands for
 * good, so no settlement of that day could follow.
 */
export const isOver = (day: string, now: number): boolean =>
  day < new Date(now - clockSkewMs).toISOString().slice(0, 10);

const dayMs = 86_400_000;

/** The day is under way, or over: a caller that asks again later will be accepted. */
const hasBegun = (day: string, now: number): boolean => Date.parse(day) <= now;

const secondsLeft = (day: string, now: number): number =>
  Math.ceil((Date.parse(day) + dayMs + clockSkewMs - now) / 1_000);

const settlementOf = (view: SettlementView): z.infer<typeof settlementSchema> => {
  const settlementId = withoutTenant(view.settlementId);
  return {
    ...view,
    settlementId,
    openedAt: view.openedAt.toISOString(),
    closedAt: view.closedAt?.toISOString() ?? null,
    links: {
      transaction: linkOf(gidOf('settlement', view.settlementId)),
      report: `/v1/settlements/${settlementId}/report`,
    },
  };
};

const positionOf = ({ accountId, ...sums }: PositionView) => ({
  account: withoutTenant(accountId),
  ...sums,
});
