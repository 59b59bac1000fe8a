import { describe, expect, it } from '@jest/globals';

import { chartsOf } from '../../../../testing/bench/load/charts';
import { isRight, markdownOf, summaryOf } from '../../../../testing/bench/load/report';

const latency = { count: 3, p50: 1, p95: 2, p99: 3, max: 4 };
const look = (atSeconds: number, size: number) => ({
  ...{ atSeconds, memory: { workers: 100, api: 50 }, temporal: undefined },
  tables: { 'accounts/fence': size, 'accord/runs': 5 },
});
const report = (lost: string) => ({
  ...{
    command: 'npm run bench -- load',
    flow: 'transfer' as const,
    lane: 'single' as const,
    inFlight: 30,
  },
  machine: { cpu: '', cores: 2, memoryGiB: 1, platform: '', loadBefore: 0, versions: [] },
  figures: {
    ...{ offered: 3, offeredPerSecond: 3, ended: 3, perSecond: 3, ending: latency, retries: 0 },
    ...{ accepted: { ...latency, count: 0 }, endings: { completed: 3 } },
  },
  ...{ measuredSeconds: 1, cpuSeconds: { api: 1 }, cpuMsPerTransaction: { api: 333, all: 333 } },
  ...{ kills: 0, violations: [], moments: [], growth: [look(0, 1), look(10, 9)] },
  counters: [
    { name: 'lost', seen: lost, expected: '0' },
    { name: 'violations of the books', seen: '0', expected: '0' },
  ],
});

describe('the report of a load', () => {
  it('has as JSON what other programs read', () => {
    expect(summaryOf(report('0'))).toMatchObject({
      ...{ ok: true, flow: 'transfer', lane: 'single', inFlight: 30, offeredPerSecond: 3 },
      ...{ perSecond: 3, p50: 1, p95: 2, p99: 3, endings: { completed: 3 } },
      ...{ cpuMsPerTransaction: { api: 333, all: 333 }, violations: 0 },
    });
  });

  it('is never ok where a transaction is lost, and counts each of them', () => {
    expect(isRight(report('2'))).toBe(false);
    expect(summaryOf(report('2'))).toMatchObject({ ok: false, violations: 2 });
  });

  it('is never ok where nothing has ended', () => {
    const { figures, ...rest } = report('0');
    expect(isRight({ ...rest, figures: { ...figures, ended: 0 } })).toBe(false);
  });

  it('shows each chart, and how the tables have grown', () => {
    const charts = chartsOf(report('0'));
    const text = markdownOf(report('0'), charts.keys());
    expect([...charts.keys()]).toEqual(['rate.svg', 'latency.svg', 'memory.svg', 'tables.svg']);
    for (const name of charts.keys()) expect(text).toContain(`![${name}](${name})`);
    expect(text).toContain('| accounts/fence | 1 | 9 |');
  });

  it('draws first the table that grew most', () => {
    const svg = chartsOf(report('0')).get('tables.svg') ?? '';
    expect(svg.indexOf('accounts/fence')).toBeLessThan(svg.indexOf('accord/runs'));
  });
});
