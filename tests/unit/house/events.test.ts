/** The published catalogue: docs/events.md for people, docs/events.json for programs. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';

import { breaksIn, type CataloguedEvent } from '../../../contracts/engine/catalogue';
import { envelopeSchema } from '../../../contracts/engine/events';
import { exampleOf } from '../../../contracts/engine/schema';
import { shop } from '../../../contracts/shop';
import { cataloguedJson, eventsPage } from '../../../package/events-page';

const docs = join(__dirname, '../../../docs');
const recorded = JSON.parse(readFileSync(join(docs, 'events.json'), 'utf8')) as {
  readonly events: readonly CataloguedEvent[];
};

describe('docs/events', () => {
  it('promises nothing that this build breaks', () => {
    expect(breaksIn(recorded.events, shop.events)).toEqual([]);
  });

  it.each(shop.events.map((event) => [event.type, event] as const))(
    'shows an example of %s that fits its schema',
    (_, { type, data, example }) => {
      const schema = z.fromJSONSchema(envelopeSchema(type, data) as never);
      const record = exampleOf(envelopeSchema(type, data));
      expect(record).toMatchObject({ type, data: example });
      expect(schema.parse(record)).toEqual(record);
    },
  );

  it('is what `npm run docs:events` writes', () => {
    expect(recorded).toEqual(JSON.parse(JSON.stringify(cataloguedJson(shop.events))));
    expect(readFileSync(join(docs, 'events.md'), 'utf8')).toBe(eventsPage(shop.events));
  });
});
