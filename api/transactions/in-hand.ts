import type { Tenant } from '../../contracts/engine/ids';

interface Amount {
  readonly items: number;
  readonly bytes: number;
}

const nothing: Amount = { items: 0, bytes: 0 };

/**
 * What a process has taken in and not finished, bounded. A tenant may hold as much as is still free: alone it gets half,
 * and whoever comes next finds room.
 */
export function createInHand(max: Amount) {
  const own = new Map<Tenant, Amount>();
  let all = nothing;

  function change(tenant: Tenant, by: Amount): void {
    const held = plus(own.get(tenant) ?? nothing, by);
    if (held.items === 0) own.delete(tenant);
    else own.set(tenant, held);
    all = plus(all, by);
  }

  return {
    items: (): number => all.items,
    hasRoomFor(tenant: Tenant, bytes: number): boolean {
      const held = own.get(tenant) ?? nothing;
      return held.items + 1 <= max.items - all.items && held.bytes + bytes <= max.bytes - all.bytes;
    },
    /** @returns gives it back, once. */
    enter(tenant: Tenant, bytes: number): () => void {
      change(tenant, { items: 1, bytes });
      return () => change(tenant, { items: -1, bytes: -bytes });
    },
  };
}

const plus = (a: Amount, b: Amount): Amount => ({
  items: a.items + b.items,
  bytes: a.bytes + b.bytes,
});
