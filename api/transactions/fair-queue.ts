/** Bounds of what is taken at once. */
export interface TakeBounds {
  readonly items: number;
  /** One item alone may have more. */
  readonly bytes: number;
}

interface Queued {
  readonly tenant: string;
  readonly bytes: number;
}

/** A queue for each tenant. They are taken round robin, each in its order, so none waits behind all of another one's. */
export function createFairQueue<Item extends Queued>() {
  /** In the order in which they are served next. */
  const queues = new Map<string, Item[]>();

  /** Takes the next item, if the set still has room for it. */
  function next(room: TakeBounds, isFirst: boolean): Item | undefined {
    const [served] = queues;
    const item = served?.[1][0];
    if (!served || !item || (!isFirst && item.bytes > room.bytes)) return undefined;
    const [tenant, queue] = served;
    queue.shift();
    queues.delete(tenant);
    if (queue.length > 0) queues.set(tenant, queue);
    return item;
  }

  return {
    add(item: Item): void {
      const queue = queues.get(item.tenant);
      if (queue) queue.push(item);
      else queues.set(item.tenant, [item]);
    },
    /** @returns what is there, within the bounds; empty: nothing is. */
    take({ items, bytes }: TakeBounds): readonly Item[] {
      const set: Item[] = [];
      let bytesLeft = bytes;
      while (set.length < items) {
        const item = next({ items, bytes: bytesLeft }, set.length === 0);
        if (!item) break;
        set.push(item);
        bytesLeft -= item.bytes;
      }
      return set;
    },
  };
}
