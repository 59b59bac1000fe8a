import { describe, expect, it } from '@jest/globals';

import { lineChart, ticksOf } from '../../../../testing/bench/chart';

const chart = (points: readonly (readonly [number, number | undefined])[], name = 'p50') =>
  lineChart({ title: 'Latency', x: 'seconds', y: 'ms', series: [{ name, points }] });
const pathsOf = (svg: string) => [...svg.matchAll(/<path d="([^"]*)"/g)].map(([, path]) => path);

describe('a chart', () => {
  it('has axes of round numbers that reach from below the least to above the most', () => {
    expect(ticksOf(0, 97)).toEqual([0, 20, 40, 60, 80, 100]);
    expect(ticksOf(0, 0.3)).toEqual([0, 0.1, 0.2, 0.3]);
    expect(ticksOf(Infinity, -Infinity).length).toBeGreaterThan(1);
  });

  it('draws a greater value higher, and a later one further right', () => {
    const [path = ''] = pathsOf(
      chart([
        [0, 0],
        [10, 100],
      ]),
    );
    const [[x1 = 0, y1 = 0] = [], [x2 = 0, y2 = 0] = []] = path
      .split(/[ML]/)
      .filter((part) => part !== '')
      .map((part) => part.trim().split(' ').map(Number));
    expect(x2).toBeGreaterThan(x1);
    expect(y2).toBeLessThan(y1); // SVG counts downwards.
  });

  it('leaves a gap where a value is not known, instead of a line through zero', () => {
    const [path = ''] = pathsOf(
      chart([
        [0, 5],
        [1, undefined],
        [2, 5],
        [3, 5],
      ]),
    );
    expect(path.match(/M/g)).toHaveLength(2);
    expect(path.match(/L/g)).toHaveLength(1);
  });

  it('is one well-formed document whatever its names hold, and never says NaN', () => {
    const svg = chart([], 'a < b & "c"');
    expect(svg).toContain('a &lt; b &amp; &quot;c&quot;');
    expect(svg).not.toMatch(/NaN|Infinity|undefined/);
    expect(svg.trim()).toMatch(/^<svg [\s\S]*<\/svg>$/);
  });
});
