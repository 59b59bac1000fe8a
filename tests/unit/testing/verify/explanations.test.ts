import { describe, expect, it } from '@jest/globals';

import { differencesOf } from '../../../../testing/verify/explanations';

const gid = 'order:acme.O-1';
const step = (name: string, state: string, branch = name) => ({
  name,
  key: `${gid}/${branch}`,
  state,
  fence: 'first',
});

describe('an explanation held against the rows', () => {
  it('is right where each step is what its row says, and a seal has found that nothing had happened', () => {
    const steps = [
      step('reserveStock', 'undone'),
      step('seal-captureFunds', 'done', 'captureFunds'),
    ];
    const rows = [
      { branch: 'reserveStock', state: 'undone' },
      { branch: 'captureFunds', state: 'empty' },
    ];
    expect(differencesOf(gid, 'compensated', { state: 'compensated', steps }, rows)).toEqual([]);
  });

  it('is wrong where a step is told as done and its row was never acted, or another ending is told', () => {
    const steps = [step('captureFunds', 'done')];
    const rows = [{ branch: 'captureFunds', state: 'empty' }];
    const story = { state: 'completed', steps };
    expect(differencesOf(gid, 'completed', story, rows)).toEqual([
      'captureFunds is told as done, and its fence row is empty',
    ]);
    expect(differencesOf(gid, 'compensated', { ...story, steps: [] }, [])).toEqual([
      'told as completed, and its row says compensated',
    ]);
  });
});
