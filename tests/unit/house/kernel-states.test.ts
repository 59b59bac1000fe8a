/** The pictures of docs/kernel.md, compared with the states that the code knows. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';

import type { FenceState } from '../../../activities/fence/rows';
import { runStates, type StepState } from '../../../contracts/engine/transaction';
import type { Run } from '../../../workflows/kernel/run';

const page = readFileSync(join(__dirname, '../../../docs/kernel.md'), 'utf8');

/** States of the picture under a heading. */
const statesUnder = (heading: string): readonly string[] => {
  const [, picture = ''] =
    new RegExp(`^## ${heading}\\n[^]*?stateDiagram-v2\\n([^]*?)\`\`\``, 'm').exec(page) ?? [];
  const arrows = [...picture.matchAll(/^\s*(\S+) --> (\w+|\[\*\])/gm)];
  const named = arrows.flatMap(([, from = '', to = '']) => [from, to]);
  return [...new Set(named)].filter((state) => state !== '[*]').sort();
};

// The compiler demands every state, and no other.
const phases: Record<Run['phase'], true> = {
  acting: true,
  deciding: true,
  forward: true,
  undoing: true,
};
const stepStates: Record<StepState, true> = {
  running: true,
  done: true,
  refused: true,
  unknown: true,
  undoing: true,
  undone: true,
  parked: true,
  doneByHand: true,
  skipped: true,
};
const fenceStates: Record<FenceState, true> = {
  acted: true,
  confirmed: true,
  undone: true,
  empty: true,
  refused: true,
};

describe('docs/kernel.md', () => {
  it.each([
    ['A transaction', [...runStates]],
    ['The decision', Object.keys(phases)],
    ['A step', Object.keys(stepStates)],
    ['A fence row', Object.keys(fenceStates)],
  ])('shows every state and no other: %s', (heading, states) => {
    expect(statesUnder(heading)).toEqual(states.sort());
  });
});
