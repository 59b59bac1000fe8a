import { z } from 'zod';

import type { Participating } from '../../contracts/engine/definition';
import { envelopeSchema, type EnvelopeOf } from '../../contracts/engine/events';

/**
 * Reads the value of a record on the topic of a participant, by its declared events. Fields that a declaration does not
 * name are passed over; a type that is not declared is refused.
 */
export function recordSchemaOf<Definition extends Participating>({
  events,
}: Definition): z.ZodType<EnvelopeOf<Definition>> {
  const records = Object.entries(events).map(([type, { data }]) => envelopeSchema(type, data));
  const [first, ...others] = records.map((record) => {
    return z.fromJSONSchema(record as JsonSchemaOfZod) as z.ZodObject;
  });
  if (!first) throw new Error('A participant without events has no records to read.');
  // Told apart by their type, so that an error names its field. The types of the declared data follow from the schemas.
  return z.discriminatedUnion('type', [first, ...others]) as unknown as z.ZodType<
    EnvelopeOf<Definition>
  >;
}

/** Mutable, as zod writes it. It does not change what it reads. */
type JsonSchemaOfZod = Parameters<typeof z.fromJSONSchema>[0];
