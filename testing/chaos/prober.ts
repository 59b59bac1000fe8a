/** One client that orders all the time, and waits: how long after a fault the system works again. */
import { randomUUID } from 'node:crypto';

import { latencyOf, type Latency } from '../bench/latency';
import { pause } from '../../runtime/waiting';
import type { ApiClient } from './http';
import { accounts } from './world';

export interface Prober {
  /** Time from now until the next order that begins and is completed. */
  recovered(): Promise<number>;
  readonly recoveries: () => Latency;
  readonly orders: number;
  stop(): Promise<void>;
}

const everyMs = 1_000;
/** Orders under way at one time, at most: in an outage none ends. */
const underWayMax = 20;
const waitSeconds = 8;
const givenUpAfterMs = 90_000;

export function startProber(api: ApiClient): Prober {
  const id = randomUUID().slice(0, 8);
  const times: number[] = [];
  let waiting: { readonly since: number; readonly resolve: (ms: number) => void }[] = [];
  const underWay = new Set<Promise<void>>();
  let orders = 0;
  let isStopping = false;

  async function probe(reference: string): Promise<void> {
    const began = Date.now();
    const body = {
      orderId: reference,
      customerId: `C-${reference}`,
      lines: [{ sku: 'S-PLENTY', quantity: 1, unitPrice: { currency: 'EUR', minorUnits: 100 } }],
      payment: { accountId: accounts[0], amount: { currency: 'EUR', minorUnits: 100 } },
    };
    while (Date.now() < began + givenUpAfterMs && !isStopping) {
      // The same key: the answer of the same order, whether it was accepted before or not.
      const key = `key-${reference}`;
      const reply = await api.call('POST', '/v1/orders', { key, waitSeconds, body });
      if (reply.body.state === 'completed') {
        noteCompleted(began);
        return;
      }
      if (reply.certainty !== 'ok') await pause(everyMs);
    }
  }

  function noteCompleted(began: number): void {
    const now = Date.now();
    for (const { since, resolve } of waiting.filter((each) => each.since <= began)) {
      times.push(now - since);
      resolve(now - since);
    }
    waiting = waiting.filter((each) => each.since > began);
  }

  async function live(): Promise<void> {
    while (!isStopping) {
      if (underWay.size < underWayMax) {
        orders += 1;
        const probing = probe(`probe-${id}-${orders}`).finally(() => underWay.delete(probing));
        underWay.add(probing);
      }
      await pause(everyMs);
    }
    await Promise.all(underWay);
    for (const { since, resolve } of waiting) resolve(Date.now() - since);
  }
  const living = live();

  return {
    recovered: () =>
      new Promise((resolve) => {
        waiting.push({ since: Date.now(), resolve });
      }),
    recoveries: () => latencyOf(times),
    get orders() {
      return orders;
    },
    async stop() {
      isStopping = true;
      await living;
    },
  };
}
