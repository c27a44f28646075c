/** Draws bar charts as SVG, readable on a light and on a dark page. Pure: returns text. */

/**
 * @typedef {object} Bar
 * @property {string} label
 * @property {number} value
 * @property {string} text the value as text, at the right of the bar
 * @property {[lowest: number, highest: number]} [extremes] drawn as a line
 * @property {boolean} [isOurs]
 */

const WIDTH = 760;
const MARGIN = 16;
const BARS_WIDTH = 660;
const ROW = 42;
const BAR = 14;
const TOP = 56;

const STYLE = `
    text { font: 13px system-ui, sans-serif; fill: #1f2328; }
    .value { text-anchor: end; }
    .heading { font-size: 16px; font-weight: 600; }
    .bar { fill: #8c959f; }
    .ours { fill: #0969da; }
    .extremes { stroke: #1f2328; stroke-width: 2; }
    .reference { stroke: #57606a; stroke-dasharray: 4 3; }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3; }
      .bar { fill: #6e7681; }
      .ours { fill: #4493f8; }
      .extremes { stroke: #e6edf3; }
      .reference { stroke: #9198a1; }
    }
  `;

/**
 * Draws bars below each other, all of which start at zero.
 *
 * @param {{ title: string, description: string, bars: Bar[], reference?: number }} chart `reference`: the value at which
 * a dashed line is drawn, such as the ratio 1
 */
export function barChart({ title, description, bars, reference }) {
  const most = Math.max(reference ?? 0, ...bars.flatMap(({ value, extremes = [] }) => [value, ...extremes]));
  const x = (value) => round(MARGIN + (value / most) * BARS_WIDTH);
  const height = TOP + bars.length * ROW + MARGIN;
  const rows = bars.flatMap((bar, index) => barLines(bar, TOP + index * ROW, x));
  const line =
    reference === undefined
      ? []
      : [
          `<line class="reference" x1="${x(reference)}" x2="${x(reference)}" y1="${TOP - 12}" y2="${height - MARGIN}"/>`,
        ];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-labelledby="title desc">
  <title id="title">${escaped(title)}</title>
  <desc id="desc">${escaped(description)}</desc>
  <style>${STYLE}</style>
  <text class="heading" x="${MARGIN}" y="28">${escaped(title)}</text>
${[...line, ...rows].map((element) => `  ${element}`).join('\n')}
</svg>
`;
}

/** Draws a bar with its label above it and its value at the right. */
function barLines({ label, value, text, extremes, isOurs }, y, x) {
  const top = y + 18;
  const middle = top + BAR / 2;
  const range = extremes
    ? [`<line class="extremes" x1="${x(extremes[0])}" x2="${x(extremes[1])}" y1="${middle}" y2="${middle}"/>`]
    : [];
  return [
    `<text x="${MARGIN}" y="${y + 12}">${escaped(label)}</text>`,
    `<rect class="${isOurs ? 'bar ours' : 'bar'}" x="${MARGIN}" y="${top}" width="${round(x(value) - MARGIN)}" height="${BAR}"/>`,
    ...range,
    `<text class="value" x="${WIDTH - MARGIN}" y="${top + 12}">${escaped(text)}</text>`,
  ];
}

/** The file name of a chart: `GET /notes, Express` becomes `get-notes-express.svg`. */
export function fileNameOf(...words) {
  return `${words
    .join(' ')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '')}.svg`;
}

function escaped(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('`', '');
}

function round(number) {
  return Math.round(number * 10) / 10;
}
