/** Draws memory, latency and load over time as SVG, readable on a light and on a dark page. Pure: returns text. */

const WIDTH = 760;
const MARGIN = 16;
const PANEL = 120;
const GAP = 56;
const COLOURS = ['#0969da', '#bf8700', '#8c959f'];
const MIB = 1_048_576;

/** @param {{ start: number, points: object[], targets: import('./targets.js').Target[], weather: import('./weather.js').Weather }} run */
export function soakChart({ start, points, targets, weather }) {
  const end = points.at(-1).at;
  const minutesOf = (at) => (at - start) / 60_000;
  const inTime = (all) => all.filter(({ at }) => at >= start && at <= end);
  const panels = [
    {
      title: 'Heap in use after a collection, MiB',
      lines: targets.map(({ name, samples }) => ({
        name,
        points: inTime(samples).flatMap(({ at, heap }) => (heap === undefined ? [] : [[minutesOf(at), heap / MIB]])),
      })),
    },
    {
      title: 'Memory of the process (RSS), MiB',
      lines: targets.map(({ name, samples }) => ({
        name,
        points: inTime(samples).map(({ at, rss }) => [minutesOf(at), rss / MIB]),
      })),
    },
    {
      title: 'Known token, ms',
      lines: [
        {
          name: 'median',
          points: points.flatMap(({ at, median }) => (median === undefined ? [] : [[minutesOf(at), median]])),
        },
        {
          name: '99 of 100',
          points: points.flatMap(({ at, slow }) => (slow === undefined ? [] : [[minutesOf(at), slow]])),
        },
      ],
    },
    {
      title: 'Scenarios a second',
      lines: [
        {
          name: 'done',
          points: points
            .slice(1)
            .map(({ at, done }, index) => [
              minutesOf(at),
              ((done - points[index].done) / (at - points[index].at)) * 1_000,
            ]),
        },
      ],
    },
  ];
  const height = MARGIN + panels.length * (PANEL + GAP) + 24;
  const x = (minutes) => round(MARGIN + (minutes / minutesOf(end)) * (WIDTH - 2 * MARGIN));
  const marks = weather.events
    .filter(({ at }) => at <= end)
    .map(
      ({ at, what }) =>
        `<line class="${what === 'rotation' ? 'rotation' : 'fault'}" x1="${x(minutesOf(at))}" x2="${x(minutesOf(at))}" y1="${MARGIN}" y2="${height - 40}"/>`,
    );
  const drawn = panels.flatMap((panel, index) => drawPanel(panel, MARGIN + index * (PANEL + GAP) + 24, x));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-labelledby="title desc">
  <title id="title">Soak: memory, latency and load over time</title>
  <desc id="desc">Four charts over ${minutesOf(end).toFixed(0)} minutes. Grey lines are faults of authorization servers, dashed lines rotations of keys.</desc>
  <style>
    text { font: 12px system-ui, sans-serif; fill: #1f2328; }
    .heading { font-weight: 600; }
    .axis { stroke: #8c959f; }
    .fault { stroke: #8c959f; opacity: 0.25; }
    .rotation { stroke: #8c959f; opacity: 0.5; stroke-dasharray: 3 3; }
    polyline { fill: none; stroke-width: 1.5; }
    @media (prefers-color-scheme: dark) { text { fill: #e6edf3; } }
  </style>
${[...marks, ...drawn].map((element) => `  ${element}`).join('\n')}
  <text x="${MARGIN}" y="${height - 12}">0 to ${minutesOf(end).toFixed(0)} minutes; a grey line is a fault of an authorization server, a dashed line a rotation of keys</text>
</svg>
`;
}

function drawPanel({ title, lines }, top, x) {
  const most = Math.max(1, ...lines.flatMap(({ points }) => points.map(([, value]) => value)));
  const y = (value) => round(top + PANEL - (value / most) * PANEL);
  const legend = lines.map(({ name }, index) => `<tspan fill="${COLOURS[index]}" dx="12">${name}</tspan>`).join('');
  return [
    `<text class="heading" x="${MARGIN}" y="${top - 8}">${title}, up to ${most.toFixed(0)}${legend}</text>`,
    `<line class="axis" x1="${MARGIN}" x2="${WIDTH - MARGIN}" y1="${top + PANEL}" y2="${top + PANEL}"/>`,
    ...lines.map(
      ({ points }, index) =>
        `<polyline stroke="${COLOURS[index]}" points="${thinned(points)
          .map(([minutes, value]) => `${x(minutes)},${y(value)}`)
          .join(' ')}"/>`,
    ),
  ];
}

/** At most 400 points: the largest of each part, so that no peak is lost. */
function thinned(points) {
  const size = Math.ceil(points.length / 400);
  return Array.from({ length: Math.ceil(points.length / size) }, (_, index) =>
    points.slice(index * size, (index + 1) * size).reduce((most, one) => (one[1] > most[1] ? one : most)),
  );
}

function round(value) {
  return Math.round(value * 10) / 10;
}
