/** `partition_no` of an event: CRC32(aggregate_id) % 16, a stored column of the outbox. */
export const partitionCount = 16;

/**
 * Slots behind the partitions in the same table. A living relay holds one, its seat, so that the others can count it: a
 * newcomer holds no partition yet. More relays than seats would have nothing to do anyway.
 */
export const slotCount = partitionCount + partitionCount;

/** A row of `outbox_leases`. */
export interface Slot {
  readonly no: number;
  /** The relay that holds it now; `null`: there is none, or its lease is over. */
  readonly holder: string | null;
}

export interface LeasePlan {
  /** Slots to hold from now on, the seat among them: held before and renewed, or free and taken. */
  readonly hold: readonly number[];
  /** Held partitions above the fair share: to be given back as soon as no batch of them is under way. */
  readonly surplus: readonly number[];
}

const isSeat = (no: number): boolean => no >= partitionCount;

/** Shares the partitions out evenly: with n living relays none holds more than ⌈16 / n⌉ for long. */
export function planLeases(slots: readonly Slot[], self: string): LeasePlan {
  const seats = slots.filter(({ no }) => isSeat(no));
  const seat =
    seats.find(({ holder }) => holder === self) ?? seats.find(({ holder }) => holder === null);
  if (!seat) return { hold: [], surplus: [] };

  const others = new Set(seats.flatMap(({ holder }) => holder ?? [])).size;
  const relays = seat.holder === self ? others : others + 1;
  const share = Math.ceil(partitionCount / relays);

  const partitions = slots.filter(({ no }) => !isSeat(no));
  const own = partitions.filter(({ holder }) => holder === self);
  const free = partitions.filter(({ holder }) => holder === null);
  const taken = free.slice(0, Math.max(0, share - own.length));
  return {
    hold: [...own, ...taken, seat].map(({ no }) => no),
    surplus: own.slice(share).map(({ no }) => no),
  };
}

/** Those of the slots that hold events. */
export const partitionsOf = (slots: readonly number[]): readonly number[] =>
  slots.filter((no) => !isSeat(no));
