import { describe, expect, it } from '@jest/globals';

import { repeat } from '../../../runtime/repeat';
import { eventually } from '../../support/eventually';

const unobserved = { onFailure: () => undefined, onRecovery: () => undefined };

describe('a repeated step', () => {
  it('goes on after failures, and says when they are over', async () => {
    const heard: string[] = [];
    let calls = 0;
    const step = (): Promise<number> => {
      calls += 1;
      return calls <= 2 ? Promise.reject(new Error('Away.')) : Promise.resolve(10_000);
    };
    const repetition = repeat(step, {
      onFailure: (_, failures) => heard.push(`failed ${failures}`),
      onRecovery: (failures) => heard.push(`recovered after ${failures}`),
    });
    await eventually(() => calls === 3);
    await repetition.stop();
    expect(heard).toEqual(['failed 1', 'failed 2', 'recovered after 2']);
  });

  it('is stopped at once while it pauses, and after its end while it works', async () => {
    let finish: () => void = () => undefined;
    const ended: string[] = [];
    const repetition = repeat(async () => {
      await new Promise<void>((resolve) => (finish = resolve));
      ended.push('step');
      return 3_600_000;
    }, unobserved);
    const stopped = repetition.stop().then(() => ended.push('stopped'));
    finish();
    await stopped;
    expect(ended).toEqual(['step', 'stopped']);
  });

  it('ends by itself when it says so', async () => {
    let calls = 0;
    const repetition = repeat(() => {
      calls += 1;
      return Promise.resolve(null);
    }, unobserved);
    await repetition.stop();
    expect(calls).toBe(1);
  });
});
