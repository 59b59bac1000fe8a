/** Line charts as SVG: text alone, so that a browser, GitHub and a diff can show them. Pure. */

export interface Series {
  readonly name: string;
  /** In ascending order of x. A y that is not known is a gap. */
  readonly points: readonly (readonly [x: number, y: number | undefined])[];
}

export interface ChartOf {
  readonly title: string;
  /** What x and y are, with their units. */
  readonly x: string;
  readonly y: string;
  readonly series: readonly Series[];
}

const width = 760;
const height = 320;
const margin = { top: 40, right: 170, bottom: 46, left: 66 } as const;
const plotWidth = width - margin.left - margin.right;
const plotHeight = height - margin.top - margin.bottom;
/** Told apart by people who see few colours (Okabe and Ito). */
const strokes = [
  '#0072b2',
  '#d55e00',
  '#009e73',
  '#cc79a7',
  '#e69f00',
  '#56b4e9',
  '#000000',
  '#999999',
];
const ticksWanted = 5;
const legendLine = 18;

/** @returns a whole SVG document. */
export function lineChart({ title, x, y, series }: ChartOf): string {
  const known = series.flatMap(({ points }) => points.filter(([, value]) => value !== undefined));
  const xs = known.map(([at]) => at);
  const xTicks = ticksOf(xs.reduce(min, Infinity), xs.reduce(max, -Infinity));
  const yTicks = ticksOf(0, known.map(([, value]) => value ?? 0).reduce(max, 0));
  const atX = scaleOf(xTicks, margin.left, margin.left + plotWidth);
  const atY = scaleOf(yTicks, margin.top + plotHeight, margin.top);
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    text(margin.left, 22, title, 'font-size="15" font-weight="bold"'),
    ...yTicks.flatMap((value) => [
      `<line x1="${margin.left}" x2="${margin.left + plotWidth}" y1="${atY(value)}" y2="${atY(value)}" stroke="#dddddd"/>`,
      text(margin.left - 8, atY(value) + 4, labelOf(value), 'text-anchor="end"'),
    ]),
    ...xTicks.map((value) =>
      text(atX(value), margin.top + plotHeight + 18, labelOf(value), 'text-anchor="middle"'),
    ),
    text(margin.left + plotWidth / 2, height - 10, x, 'text-anchor="middle"'),
    text(
      16,
      margin.top + plotHeight / 2,
      y,
      `text-anchor="middle" transform="rotate(-90 16 ${margin.top + plotHeight / 2})"`,
    ),
    ...series.flatMap(({ name, points }, at) => {
      const stroke = strokes[at % strokes.length] ?? '#000000';
      const dash = at < strokes.length ? '' : ' stroke-dasharray="6 3"';
      const legend = margin.top + at * legendLine;
      const left = margin.left + plotWidth + 14;
      return [
        `<path d="${pathOf(points, atX, atY)}" fill="none" stroke="${stroke}" stroke-width="2"${dash}/>`,
        `<line x1="${left}" x2="${left + 18}" y1="${legend}" y2="${legend}" stroke="${stroke}" stroke-width="3"${dash}/>`,
        text(left + 24, legend + 4, name),
      ];
    }),
    '</svg>',
  ];
  return `${parts.join('\n')}\n`;
}

type Scale = (value: number) => number;

function scaleOf(ticks: readonly number[], from: number, to: number): Scale {
  const first = ticks[0] ?? 0;
  const range = (ticks.at(-1) ?? 1) - first || 1;
  return (value) => round(from + ((value - first) / range) * (to - from));
}

/** A gap lifts the pen. */
function pathOf(points: Series['points'], atX: Scale, atY: Scale): string {
  let isDown = false;
  return points
    .flatMap(([at, value]) => {
      const wasDown = isDown;
      isDown = value !== undefined;
      return value === undefined ? [] : `${wasDown ? 'L' : 'M'}${atX(at)} ${atY(value)}`;
    })
    .join(' ');
}

/** Round numbers that reach from below the least to above the most. */
export function ticksOf(least: number, most: number): readonly number[] {
  const from = Number.isFinite(least) ? least : 0;
  const range = Number.isFinite(most) && most > from ? most - from : 1;
  const step = roundStep(range / ticksWanted);
  const first = Math.floor(from / step);
  const last = Math.ceil((from + range) / step - 1e-9);
  return Array.from({ length: last - first + 1 }, (_, at) =>
    Number(((first + at) * step).toPrecision(12)),
  );
}

/** 1, 2 or 5 with zeros: not below what is asked for. */
function roundStep(wanted: number): number {
  const power = 10 ** Math.floor(Math.log10(wanted));
  const factor = [1, 2, 5, 10].find((each) => each * power >= wanted - 1e-12) ?? 10;
  return factor * power;
}

const labelOf = (value: number): string =>
  value >= 1e6 ? `${value / 1e6} M` : value >= 1e4 ? `${value / 1e3} k` : String(value);

const text = (x: number, y: number, content: string, attributes = ''): string =>
  `<text x="${x}" y="${y}" fill="#333333" ${attributes}>${escaped(content)}</text>`;

const escaped = (content: string): string =>
  content
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;')
    .replace(/"/g, '&quot;');

const round = (value: number): number => Math.round(value * 10) / 10;
const min = (one: number, other: number): number => Math.min(one, other);
const max = (one: number, other: number): number => Math.max(one, other);
