/** docs/scaling.svg: two panels beside each other, what a tile more costs and the peak memory, by the number of tiles. */

export interface ScalingPoint {
  readonly tiles: number;
  /** For each tile more than in the first point; NaN for that. */
  readonly microseconds: number;
  readonly peakMegabytes: number;
}

export interface ScalingSeries {
  readonly name: string;
  readonly points: readonly ScalingPoint[];
}

const panel = { width: 330, height: 230, top: 36, gap: 90, left: 60 };
const colors = ['#0072b2', '#d55e00', '#009e73', '#cc79a7'];

interface Axis {
  readonly title: string;
  readonly value: (point: ScalingPoint) => number;
}

/** Both axes are logarithmic, so that a cost that doesn't grow is level. */
export function plotScaling(series: readonly ScalingSeries[]): string {
  const axes: readonly Axis[] = [
    { title: 'microseconds for a tile more', value: ({ microseconds }) => microseconds },
    { title: 'peak memory, MB', value: ({ peakMegabytes }) => peakMegabytes },
  ];
  const width = panel.left + 2 * panel.width + panel.gap + 40;
  const height = panel.top + panel.height + 70;
  const panels = axes.map((axis, i) => panelSvg(series, axis, panel.left + i * (panel.width + panel.gap)));
  const legend = series.map(({ name }, i) => {
    const x = panel.left + i * 110;
    return `<circle cx="${String(x)}" cy="${String(height - 16)}" r="4" fill="${colorOf(i)}"/><text x="${String(x + 10)}" y="${String(height - 12)}">${name}</text>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${String(width)} ${String(height)}" width="${String(width)}" height="${String(height)}" font-family="sans-serif" font-size="12" fill="#333">`,
    '<title>What a tile more costs, and peak memory, by the number of tiles</title>',
    `<rect width="100%" height="100%" fill="#fff"/>`,
    ...panels,
    ...legend,
    '</svg>',
    '',
  ].join('\n');
}

function colorOf(index: number): string {
  return colors[index % colors.length] ?? '#333';
}

function panelSvg(series: readonly ScalingSeries[], { title, value }: Axis, left: number): string {
  const points = series.flatMap((each) => each.points);
  const usable = (point: ScalingPoint): boolean => value(point) > 0 && Number.isFinite(value(point));
  const values = points.filter(usable).map(value);
  const [low, high] = decades(values);
  const [first, last] = decades(points.map(({ tiles }) => tiles));
  const x = (tiles: number): number => left + (panel.width * (Math.log10(tiles) - first)) / (last - first);
  const y = (amount: number): number => panel.top + panel.height * (1 - (Math.log10(amount) - low) / (high - low));
  const line = (x1: number, y1: number, x2: number, y2: number): string => `<line x1="${x1.toFixed(1)}" y1="${y1.toFixed(1)}" x2="${x2.toFixed(1)}" y2="${y2.toFixed(1)}" stroke="#ddd"/>`;
  const parts = [`<text x="${String(left)}" y="${String(panel.top - 14)}" font-weight="bold">${title}</text>`];
  for (let power = low; power <= high; power++) {
    parts.push(line(left, y(10 ** power), left + panel.width, y(10 ** power)), `<text x="${String(left - 6)}" y="${(y(10 ** power) + 4).toFixed(1)}" text-anchor="end">${label(power)}</text>`);
  }
  for (let power = first; power <= last; power++) {
    parts.push(line(x(10 ** power), panel.top, x(10 ** power), panel.top + panel.height), `<text x="${x(10 ** power).toFixed(1)}" y="${String(panel.top + panel.height + 18)}" text-anchor="middle">${label(power)}</text>`);
  }
  parts.push(`<text x="${String(left + panel.width / 2)}" y="${String(panel.top + panel.height + 36)}" text-anchor="middle">tiles</text>`);
  for (const [i, each] of series.entries()) {
    const places = each.points.filter(usable).map((point) => [x(point.tiles).toFixed(1), y(value(point)).toFixed(1)] as const);
    parts.push(`<polyline points="${places.map((place) => place.join(',')).join(' ')}" fill="none" stroke="${colorOf(i)}" stroke-width="2"/>`);
    parts.push(...places.map(([cx, cy]) => `<circle cx="${cx}" cy="${cy}" r="3.5" fill="${colorOf(i)}"/>`));
  }
  return parts.join('\n');
}

/** The powers of ten around all values, one decade at least. */
function decades(values: readonly number[]): readonly [number, number] {
  if (values.length === 0) return [0, 1];
  const low = Math.floor(Math.log10(Math.min(...values)));
  return [low, Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))))];
}

function label(power: number): string {
  return power < 0 ? (10 ** power).toFixed(-power) : (10 ** power).toLocaleString('en');
}
