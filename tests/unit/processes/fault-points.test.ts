import { describe, expect, it } from '@jest/globals';

import { inertFaultPoints, parseFaults } from '../../../processes/fault-points';

const names = ['accounts.holdFunds', 'inventory.reserveStock'];
const parse = (faults: string, seed = 7) => parseFaults(faults, { seed, names });

describe('fault points', () => {
  it('do nothing unless they are armed', async () => {
    await expect(inertFaultPoints.reach('accounts.holdFunds', 'before')).resolves.toBeUndefined();
    await expect(parse('').reach('accounts.holdFunds', 'before')).resolves.toBeUndefined();
  });

  it('strike the visit that is named, at the point that is named, and count it', async () => {
    const text = 'accounts.holdFunds:entered:throw-retryable:2';
    const faults = parse(text);
    await faults.reach('accounts.holdFunds', 'entered');
    await faults.reach('accounts.holdFunds', 'before');
    await faults.reach('inventory.reserveStock', 'entered');
    await expect(faults.reach('accounts.holdFunds', 'entered')).rejects.toMatchObject({
      type: 'InjectedFault',
      nonRetryable: false,
    });
    await faults.reach('accounts.holdFunds', 'entered');
    expect(faults.fired().get(text)).toBe(1);
  });

  it('strike a range of visits, and tell a fatal failure from a retryable one', async () => {
    const faults = parse('accounts.holdFunds:before:throw-fatal:2-3');
    const seen: boolean[] = [];
    for (let visit = 1; visit <= 4; visit += 1) {
      seen.push(
        await faults.reach('accounts.holdFunds', 'before').then(
          () => false,
          () => true,
        ),
      );
    }
    expect(seen).toEqual([false, true, true, false]);
  });

  it('strike the same visits again with the same seed', async () => {
    const strikes = async (seed: number) => {
      const faults = parse('accounts.holdFunds:before:throw-retryable:p=0.5', seed);
      const seen: boolean[] = [];
      for (let visit = 0; visit < 32; visit += 1) {
        seen.push(
          await faults.reach('accounts.holdFunds', 'before').then(
            () => false,
            () => true,
          ),
        );
      }
      return seen.map(Number).join('');
    };
    expect(await strikes(1)).toBe(await strikes(1));
    expect(await strikes(1)).not.toBe(await strikes(2));
    expect(await strikes(1)).toMatch(/01|10/);
  });

  it('hold a delivery for as long as it is told', async () => {
    const faults = parse('accounts.holdFunds:before:delay=30');
    const began = performance.now();
    await faults.reach('accounts.holdFunds', 'before');
    expect(performance.now() - began).toBeGreaterThanOrEqual(25);
  });

  it.each([
    ['accounts.nothing:before:kill', 'names no known place: "accounts.nothing"'],
    ['accounts.holdFunds:between:kill', 'has no point "between"'],
    ['accounts.holdFunds:before:explode', 'has no kind "explode"'],
    ['accounts.holdFunds:before:delay', 'has no kind "delay"'],
    ['accounts.holdFunds:before:kill:0', 'has no when "0"'],
    ['accounts.holdFunds:before:kill:3-2', 'has no when "3-2"'],
    ['accounts.holdFunds:before:kill:p=1.5', 'has no when "p=1.5"'],
    ['accounts.holdFunds:before:kill:1:2', 'has more than four parts'],
  ])('refuse %s and say which part is wrong', (text, message) => {
    expect(() => parse(text)).toThrow(message);
  });
});
