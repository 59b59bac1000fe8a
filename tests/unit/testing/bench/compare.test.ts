import { describe, expect, it } from '@jest/globals';

import type { ArmFigures } from '../../../../testing/bench/compare/compare';
import { arms } from '../../../../testing/bench/compare/arms';
import { medianOf, medianTurn, orderOf, ratiosOf } from '../../../../testing/bench/compare/figures';
import { isRight, summaryOf } from '../../../../testing/bench/compare/report';

const turn = (perSecond: number, p50: number) => ({
  ...{ perSecond, p50, p99: 2 * p50, cpuMsPerTransaction: 1 },
});
const figures = (name: string, perSecond: number, violations = 0): ArmFigures => ({
  ...turn(perSecond, 10),
  ...{ name, title: '', version: '', inFlight: 1, transfers: 10, turns: [], cpu: {} },
  ...{ wrong: [{ name: 'lost', count: violations }], violations },
});
const machine = { cpu: '', cores: 2, memoryGiB: 1, platform: '', loadBefore: 0, versions: [] };
const report = (...of: readonly ArmFigures[]) => ({ command: '', machine, arms: of });

describe('the median of the rounds', () => {
  it('is a value that was seen, whatever their order', () => {
    expect([medianOf([9, 1, 5]), medianOf([4, 1, 3, 2]), medianOf([7])]).toEqual([5, 2, 7]);
  });

  it('is of each figure by itself', () => {
    const turns = [turn(10, 300), turn(30, 100), turn(20, 200)];
    expect(medianTurn(turns)).toMatchObject({ perSecond: 20, p50: 200, p99: 400 });
  });
});

describe('the order of a round', () => {
  it('begins with another arm in each, and leaves none out', () => {
    const rounds = [0, 1, 2, 3].map((round) => orderOf(['a', 'b', 'c'], round).join(''));
    expect(rounds).toEqual(['abc', 'bca', 'cab', 'abc']);
  });
});

describe('the ratios', () => {
  const isOurs = (name: string) => name.startsWith('accord-');

  it('say how many times as much each arm of ours does as each other one', () => {
    const found = ratiosOf(
      [figures('restate', 400), figures('dbos', 100), figures('accord-http', 600)],
      isOurs,
    );
    expect(found).toEqual({ 'accord-http': { restate: 1.5, dbos: 6 } });
  });

  it('have none of an arm that did nothing', () => {
    const found = ratiosOf([figures('restate', 0), figures('accord-single', 10)], isOurs);
    expect(found).toEqual({ 'accord-single': {} });
  });
});

describe('the JSON of a comparison', () => {
  it('has name, rate, latencies, CPU and violations of each arm, ratios and machine', () => {
    const summary = summaryOf(report(figures('dbos', 100), figures('accord-single', 50)));
    expect(summary).toMatchObject({
      ok: true,
      arms: [
        {
          ...{ name: 'dbos', perSecond: 100, p50: 10, p99: 20 },
          ...{ cpuMsPerTransaction: 1, violations: 0 },
        },
        { name: 'accord-single' },
      ],
      ratios: { 'accord-single': { dbos: 0.5 } },
      machine: { cores: 2 },
    });
  });

  it('is never ok with a wrong count, or with an arm that did nothing', () => {
    expect(isRight(report(figures('dbos', 100), figures('restate', 100, 1)))).toBe(false);
    expect(isRight(report({ ...figures('dbos', 0), transfers: 0 }))).toBe(false);
  });
});

describe('the arms', () => {
  it('have names of their own, and each a number in flight', () => {
    expect(new Set(arms.map(({ name }) => name)).size).toBe(arms.length);
    for (const { inFlight } of arms) expect(inFlight).toBeGreaterThan(0);
  });
});
