import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import {
  partitionCount,
  partitionsOf,
  planLeases,
  slotCount,
  type Slot,
} from '../../../../workers/relay/leases';

const allFree = (): Slot[] => Array.from({ length: slotCount }, (_, no) => ({ no, holder: null }));

/** What the table looks like after a relay has written its plan, having left its surplus. */
function after(slots: readonly Slot[], relay: string): Slot[] {
  const { hold, surplus } = planLeases(slots, relay);
  return slots.map(({ no, holder }) => {
    if (surplus.includes(no)) return { no, holder: null };
    return { no, holder: hold.includes(no) ? relay : holder };
  });
}

const heldBy = (slots: readonly Slot[], relay: string): number =>
  partitionsOf(slots.filter(({ holder }) => holder === relay).map(({ no }) => no)).length;

describe('sharing out partitions', () => {
  it('gives a relay that is alone all of them', () => {
    const { hold, surplus } = planLeases(allFree(), 'a');
    expect(partitionsOf(hold)).toHaveLength(partitionCount);
    expect(surplus).toEqual([]);
  });

  it('asks the first to leave half of them as soon as a second has a seat', () => {
    let slots = after(allFree(), 'a');
    slots = after(slots, 'b');
    expect(heldBy(slots, 'b')).toBe(0);
    expect(planLeases(slots, 'a').surplus).toHaveLength(partitionCount / 2);
  });

  it('never takes what another holds', () => {
    const slots = after(allFree(), 'a');
    expect(partitionsOf(planLeases(slots, 'b').hold)).toEqual([]);
  });

  it('lets a relay without a seat hold nothing', () => {
    const crowded = allFree().map(({ no }) => ({
      no,
      holder: no < partitionCount ? null : `r${no}`,
    }));
    expect(planLeases(crowded, 'late')).toEqual({ hold: [], surplus: [] });
  });

  it('comes to fair shares that cover everything, in whatever order the relays take their turns', () => {
    const relays = ['a', 'b', 'c', 'd', 'e'];
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: relays.length }),
        fc.array(fc.nat({ max: relays.length - 1 }), { maxLength: 40 }),
        (count, turns) => {
          const alive = relays.slice(0, count);
          let slots = allFree();
          for (const turn of turns) slots = after(slots, alive[turn % count] ?? 'a');
          for (let round = 0; round < 3; round += 1) {
            for (const relay of alive) slots = after(slots, relay);
          }
          const shares = alive.map((relay) => heldBy(slots, relay));
          expect(shares.reduce((sum, share) => sum + share, 0)).toBe(partitionCount);
          expect(Math.max(...shares)).toBeLessThanOrEqual(Math.ceil(partitionCount / count));
        },
      ),
    );
  });
});
