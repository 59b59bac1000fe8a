import { describe, expect, it } from '@jest/globals';

import { commandsRecorded } from '../../../../testing/replay/recorded-commands';
import type { HistoryEvent } from '../../../../testing/replay/history';

const payload = (value: unknown): { data: string } => ({
  data: Buffer.from(JSON.stringify(value)).toString('base64'),
});
const shown = (fields: Readonly<Record<string, unknown>>): HistoryEvent =>
  ({
    upsertWorkflowSearchAttributesEventAttributes: {
      searchAttributes: {
        indexedFields: Object.fromEntries(
          Object.entries(fields).map(([name, value]) => [name, payload(value)]),
        ),
      },
    },
  }) as unknown as HistoryEvent;
const asksOf = (...events: readonly HistoryEvent[]) => commandsRecorded({ events } as never);

describe('what a recording says that its code has asked for', () => {
  it('leaves out what the SDK writes beside a change behind patched()', () => {
    const ofSdk = shown({ TemporalChangeVersion: ['next-release'] });
    expect(asksOf(ofSdk)).toEqual([]);
    expect(asksOf(shown({ AccordState: 'running' }), ofSdk)).toMatchObject([
      { kind: 'shown', content: { AccordState: 'running' } },
    ]);
  });
});
