import type { EndingWrite, Facts, RunFact } from '../../../../testing/chaos/checkers';
import type { HistoryLine, Kind, Outcome, Value } from '../../../../testing/chaos/history';

/** A history made by hand: calls that follow each other, unless they are left open and answered later. */
export function handMade() {
  const lines: HistoryLine[] = [];
  let calls = 0;
  const open = (f: Kind, key: string, value: Value) => {
    const call = { n: (calls += 1), proc: 'client-1', f, key };
    const add = (type: HistoryLine['type'], told: Value): void => {
      lines.push({ ...call, type, value: told, t: lines.length });
    };
    add('invoke', value);
    return (outcome: Outcome, told: Value = {}): void => add(outcome, told);
  };
  return {
    lines,
    open,
    openOrder: (reference: string, uses?: Value['uses']) =>
      open('order', `key-${reference}`, { gid: order(reference), ...(uses && { uses }) }),
    /** An order that was taken. */
    ok(reference: string, answer = 'accepted', uses?: Value['uses']): void {
      this.openOrder(reference, uses)('ok', { gid: order(reference), status: 202, answer });
    },
    read(reference: string, state: string): void {
      const gid = order(reference);
      open('read', gid, { gid })('ok', { gid, status: 200, state });
    },
  };
}

export const order = (reference: string): string => `order:acme.${reference}`;

export const aRun = (reference: string, state = 'completed'): RunFact => ({
  gid: order(reference),
  flow: 'order',
  state,
  idempotencyKey: `key-${reference}`,
});

export const ended = (reference: string, to = 'completed'): EndingWrite => ({
  gid: order(reference),
  from: 'running',
  to,
});

export const factsOf = (facts: Partial<Facts>): Facts => ({
  runs: [],
  stock: [],
  tokens: [],
  transitions: [],
  endings: [],
  ...facts,
});
