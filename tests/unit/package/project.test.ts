import { dirname } from 'node:path';

import { describe, expect, it } from '@jest/globals';

import { defineApplication } from '../../../contracts/engine/application';
import { act, defineParticipant, undo } from '../../../contracts/engine/definition';
import { defineFlow } from '../../../contracts/engine/flow-definition';
import { compensable } from '../../../contracts/engine/steps';
import type { TransactionInput } from '../../../contracts/engine/transaction';
import { defineProject } from '../../../package/project';
import type { Sample } from '../../../testing/projects/samples';

const hotel = defineParticipant('hotel', { hold: act({ reserves: true }), free: undo() });
const stay = defineFlow<TransactionInput>()({
  ...{ name: 'stay', workflow: 'stay' },
  steps: { hold: compensable(hotel.hold, { undo: hotel.free }) },
});
const application = defineApplication({ participants: [hotel], flows: [stay] });

const sampleOf = (flow: string): Sample => ({
  ...{ flow, tenant: 'demo', path: '/v1/stays' },
  body: (reference) => ({ reference }),
});

const withSamples = (...flows: readonly string[]) =>
  defineProject({
    ...{ application, implementations: () => ({}), workflowsPath: __filename },
    migrations: { hotel: dirname(__filename) },
    samples: flows.map(sampleOf),
  });

describe('the samples of a project', () => {
  it('may start each flow of its application, and need not', () => {
    expect(withSamples('stay').samples).toHaveLength(1);
    expect(withSamples().samples).toEqual([]);
  });

  it.each([
    [['trip'], 'A sample starts trip, and that is no flow of this application.'],
    [['recover'], 'A sample starts recover, and that is no flow of this application.'],
    [['stay', 'stay'], 'The flow stay has two samples: give it one.'],
  ])('are refused where crash points could not be told apart: %j', (flows, sentence) => {
    expect(() => withSamples(...flows)).toThrow(sentence);
  });
});
