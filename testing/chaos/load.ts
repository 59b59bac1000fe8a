/**
 * Clients that live through a run: they start, cancel, review, refund and read over HTTP, send again what they do not
 * know the outcome of, with the same key, and write down what they were told, in an order that a killed client cannot
 * spoil (history.ts).
 */
import type { ShopFlow } from '../../contracts/flows';
import { randomUUID } from 'node:crypto';

import { pause } from '../../runtime/waiting';
import type { History } from './history';
import { mayComeAgain, type ApiClient, type Reply } from './http';
import type { Random } from './random';
import {
  drawStart,
  plainPayment,
  refundOf,
  settlementOf,
  startOf,
  type StartRequest,
} from './requests';

export interface Load {
  /** Lets every client finish what it has in hand. */
  stop(): Promise<void>;
  /** One of each kind, `times`, to its ending. @returns what did not succeed. */
  tail(times: number): Promise<readonly string[]>;
  /** What the load has asked for. */
  readonly operations: number;
  /** What must never be answered so; each is a violation. */
  readonly wrongAnswers: readonly string[];
}

interface LoadOptions {
  readonly api: ApiClient;
  /** Client of another person than the one who starts. */
  readonly reviewer: ApiClient;
  readonly history: History;
  readonly random: Random;
  readonly clients: number;
}

/** Known transactions that later calls may name, at most: the oldest go first. */
const knownMax = 500;
/** Calls of one start, at most, while its outcome is unknown. */
const attemptsMax = 6;
const betweenAttemptsMs = 400;
const tailWithinMs = 30_000;
/** A call of the tail is asked again for so long: about what one call may take. */
const takenWithinMs = 10_000;
const decidedWithinSeconds = 8;
const endStates = new Set(['completed', 'compensated', 'parked']);

export function startLoad({ api, reviewer, history, random, clients }: LoadOptions): Load {
  const known: string[] = [];
  const payments: string[] = [];
  const inReview: string[] = [];
  const wrongAnswers: string[] = [];
  let operations = 0;
  let isStopping = false;
  let settledDays = 0;
  let references = 0;
  const run = randomUUID().slice(0, 8);

  const nextReference = (): string => `${run}-${(references += 1)}`;
  const remember = (list: string[], item: string): void => {
    list.push(item);
    if (list.length > knownMax) list.shift();
  };

  /** Once: a call, and what is known after it. */
  async function send(
    proc: string,
    request: StartRequest,
    wasUnknown: boolean,
    waitSeconds?: number,
  ): Promise<Reply> {
    const key = `key-${request.gid}`;
    const { gid, uses } = request;
    operations += 1;
    const operation = history.invoke(request.flow, key, { gid, ...(uses && { uses }) }, proc);
    const reply = await api.call('POST', request.path, {
      key,
      body: request.body,
      ...(waitSeconds !== undefined && { waitSeconds }),
    });
    if (reply.certainty === 'ok') {
      operation.ok({ gid: reply.body.gid, status: reply.status, answer: answerOf(reply) });
    } else if (reply.certainty === 'fail' && !wasUnknown) {
      operation.fail({ status: reply.status, code: reply.code });
    } else {
      // A refusal now does not prove the outcome of the call before, which is unknown.
      operation.unknown({ status: reply.status, code: reply.code });
    }
    return reply;
  }

  /** @param until end of the retries. Left out: some attempts while the outcome is unknown. */
  async function start(
    proc: string,
    request: StartRequest,
    { waitSeconds, until }: { readonly waitSeconds?: number; readonly until?: number } = {},
  ): Promise<Reply> {
    let wasUnknown = false;
    // A payment's caller waits for the decision; the others are told later.
    const seconds = waitSeconds ?? (request.flow === 'payment' ? decidedWithinSeconds : undefined);
    for (let attempt = 1; ; attempt += 1) {
      const reply = await send(proc, request, wasUnknown, seconds);
      if (reply.certainty === 'ok') {
        remember(known, request.gid);
        if (request.flow === 'payment') notePayment(request, reply);
        return reply;
      }
      wasUnknown ||= reply.certainty === 'unknown';
      const isGivenUp =
        until === undefined
          ? !wasUnknown || attempt === attemptsMax || isStopping
          : !mayComeAgain(reply) || Date.now() > until;
      if (isGivenUp) return reply;
      await pause(betweenAttemptsMs);
    }
  }

  function notePayment({ reference }: StartRequest, reply: Reply): void {
    if (reply.body.payment?.status === 'authorised') remember(payments, reference);
    if (reply.body.payment?.status === 'review') remember(inReview, reference);
  }

  /** The same key twice at once, and once with another body. */
  async function startTwice(proc: string, request: StartRequest): Promise<void> {
    const twins = await Promise.all([start(proc, request), start(`${proc}-twin`, request)]);
    // Without an answer the key may still be free. Then another body is a new start.
    if (!twins.some(({ certainty }) => certainty === 'ok')) return;
    const other = { ...request.body, deadlineMs: 33_333 };
    const reply = await api.call('POST', request.path, { key: `key-${request.gid}`, body: other });
    if (reply.certainty === 'ok') {
      wrongAnswers.push(
        `${request.gid}: another body under its key was answered ${String(reply.status)}.`,
      );
    }
  }

  async function word(
    proc: string,
    kind: 'cancel' | 'review' | 'read',
    key: string,
    gid: string,
    ask: () => Promise<Reply>,
  ): Promise<Reply> {
    operations += 1;
    const operation = history.invoke(kind, key, { gid }, proc);
    const reply = await ask();
    const { state } = reply.body;
    const value = {
      gid,
      status: reply.status,
      code: reply.code,
      ...(state !== undefined && { state }),
    };
    operation[reply.certainty](value);
    return reply;
  }

  const cancel = (proc: string, gid: string): Promise<Reply> => {
    const key = `cancel-${gid}-${randomUUID().slice(0, 8)}`;
    return word(proc, 'cancel', key, gid, () =>
      api.call('POST', `/v1/transactions/${gid}/cancel`, { key }),
    );
  };

  /** @returns what asks for it: again with the same key and the same decision. */
  function reviewing(proc: string, paymentId: string): () => Promise<Reply> {
    const key = `review-${paymentId}-${randomUUID().slice(0, 8)}`;
    const body = { decision: random.chance(0.7) ? 'approve' : 'reject', note: 'Looked at.' };
    return () =>
      word(proc, 'review', key, `payment:acme.${paymentId}`, () =>
        reviewer.call('POST', `/v1/payments/${paymentId}/review`, { key, body }),
      );
  }

  const read = (proc: string, gid: string, waitSeconds?: number): Promise<Reply> =>
    word(proc, 'read', gid, gid, () =>
      api.call('GET', `/v1/transactions/${gid}`, {
        ...(waitSeconds !== undefined && { waitSeconds }),
      }),
    );

  async function act(proc: string): Promise<void> {
    const drawn = random.next();
    const paid = random.chance(0.5)
      ? payments.at(-1)
      : payments[random.between(0, payments.length)];
    const waiting = inReview.shift();
    if (waiting !== undefined) {
      const reply = await reviewing(proc, waiting)();
      if (reply.certainty === 'unknown') inReview.push(waiting);
    } else if (drawn < 0.08) {
      const request = startOf(random.chance(0.5) ? 'order' : 'checkout', random, nextReference());
      await start(proc, request);
      await cancel(proc, request.gid);
    } else if (drawn < 0.2 && paid !== undefined) {
      await start(proc, refundOf(paid, nextReference(), random.between(1, 40)));
    } else if (drawn < 0.28 && known.length > 0) {
      await read(proc, known[random.between(0, known.length - 1)] ?? '');
    } else if (drawn < 0.3) {
      await start(proc, settlementOf((settledDays += 1)));
    } else if (drawn < 0.38) {
      await startTwice(proc, drawStart(random, nextReference()));
    } else {
      const request = drawStart(random, nextReference());
      await start(proc, request, random.chance(0.15) ? { waitSeconds: 5 } : {});
    }
  }

  async function live(proc: string): Promise<void> {
    while (!isStopping) {
      await act(proc);
      await pause(random.between(150, 600));
    }
  }

  /** Until it has ended, or the time is over. @param whenInReview is called when a person has to look at it. */
  async function ending(
    proc: string,
    gid: string,
    whenInReview: () => Promise<void> = () => Promise.resolve(),
  ): Promise<string | undefined> {
    const deadline = Date.now() + tailWithinMs;
    let wasInReview = false;
    for (let waitSeconds = 0; Date.now() < deadline; waitSeconds = 10) {
      const { body, certainty } = await read(proc, gid, waitSeconds);
      if (body.state !== undefined && endStates.has(body.state)) return body.state;
      if (certainty !== 'ok') await pause(betweenAttemptsMs);
      if (body.early !== 'review' || wasInReview) continue;
      wasInReview = true;
      await whenInReview();
    }
    return undefined;
  }

  /** A busy moment is no answer: a client asks again. What came of it, the ending tells. */
  async function reviewed(proc: string, paymentId: string): Promise<void> {
    const ask = reviewing(proc, paymentId);
    const deadline = Date.now() + takenWithinMs;
    while (mayComeAgain(await ask()) && Date.now() < deadline) await pause(betweenAttemptsMs);
  }

  async function tailOne(proc: string, flow: ShopFlow): Promise<readonly string[]> {
    const request =
      flow === 'refund' ? await refundRequest(proc) : startOf(flow, random, nextReference());
    if (!request) return [`${flow}: the payment that was to be refunded was not completed`];
    const reply = await start(proc, request, { until: Date.now() + takenWithinMs });
    if (reply.certainty !== 'ok') return [`${request.gid} was not accepted: ${String(reply.code)}`];
    const state = await ending(proc, request.gid, () => reviewed(proc, request.reference));
    const hasEnded = state === 'completed' || state === 'compensated';
    return hasEnded ? [] : [`${request.gid} has not ended: ${String(state)}`];
  }

  /** A refund of a new payment, which has to complete first. */
  async function refundRequest(proc: string): Promise<StartRequest | undefined> {
    const paid = plainPayment(random, nextReference());
    await start(proc, paid, { until: Date.now() + takenWithinMs });
    const state = await ending(proc, paid.gid);
    return state === 'completed' ? refundOf(paid.reference, nextReference(), 5) : undefined;
  }

  const living = Array.from({ length: clients }, (_, at) => live(`client-${at + 1}`));
  return {
    get operations() {
      return operations;
    },
    wrongAnswers,
    async stop() {
      isStopping = true;
      await Promise.all(living);
    },
    async tail(times) {
      const flows = ['order', 'checkout', 'transfer', 'payment', 'refund'] as const;
      const found = await Promise.all(
        flows.flatMap((flow) =>
          Array.from({ length: times }, (_, at) => tailOne(`tail-${flow}-${at}`, flow)),
        ),
      );
      return found.flat();
    },
  };
}

/** The early answer of a payment; the state of every other. */
const answerOf = ({ body }: Reply): string => body.payment?.status ?? body.state ?? 'accepted';
