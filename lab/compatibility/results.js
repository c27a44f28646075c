/**
 * The results of runs with real products and real clients: one JSON file of `lab/results` for each, with one result or a
 * list of results. `docs/compatibility.md` shows them.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';

/**
 * @typedef {object} Row one thing that was tried
 * @property {string} id names the row of the table, the same in all results, such as `step-up`
 * @property {string} what one plain phrase that says what was tried, as Markdown
 * @property {string} expected what the run had to see
 * @property {string} seen what the run saw
 * @property {boolean} ok whether `seen` is what the run had to see; only results without a false one are published
 * @property {'works' | 'fails' | 'absent'} result what a user gets: it works; it does not; the product has no such thing
 * @property {string} [note] why it does not work, or what is particular: one sentence, as Markdown with links from `docs/`
 */

/**
 * @typedef {object} Result
 * @property {'product' | 'client'} kind an authorization server, or an MCP client
 * @property {string} name as its maker writes it
 * @property {string} version the one that was installed
 * @property {string} [variant] what tells runs of one version apart: a protocol version, or a setting
 * @property {string} date day of the run, such as `2026-11-30`
 * @property {string} node version of Node.js that ran the library, such as `20.20.2`
 * @property {Row[]} rows in the order of the run
 *
 * @typedef {Result & { command: string }} Published a result with the command that repeats its run
 */

const RESULTS = new URL('../results/', import.meta.url);

const KINDS = ['product', 'client'];
const OUTCOMES = ['works', 'fails', 'absent'];
const TEXTS = ['name', 'version', 'date', 'node'];
const ROW_TEXTS = ['id', 'what', 'expected', 'seen'];
const MEMBERS = new Set(['kind', 'variant', 'rows', ...TEXTS]);
const ROW_MEMBERS = new Set(['ok', 'result', 'note', ...ROW_TEXTS]);

/**
 * Reads every published result: products in the order of their names, then clients.
 *
 * @returns {Published[]}
 * @throws {Error} if a file has another form than {@link Result}
 */
export function readResults(folder = RESULTS) {
  const files = readdirSync(folder).filter((name) => name.endsWith('.json'));
  const results = files.flatMap((file) => {
    const command = commandOf(file);
    return resultsIn(file, JSON.parse(readFileSync(new URL(file, folder), 'utf8'))).map((result) => ({
      ...result,
      command,
    }));
  });
  return results.toSorted(
    (one, other) => KINDS.indexOf(one.kind) - KINDS.indexOf(other.kind) || titleOf(one).localeCompare(titleOf(other)),
  );
}

/** Files have the names that the command takes. */
function commandOf(file) {
  return `npm run lab -- ${file.replace(/\.json$/, '').replace(/^clients-/, 'client:')}`;
}

/**
 * Writes the results of one product or client.
 *
 * @param {string} file name without extension, such as `keycloak` or `clients-python`
 * @param {Result | Result[]} results
 */
export function writeResults(file, results, folder = RESULTS) {
  resultsIn(file, results);
  mkdirSync(folder, { recursive: true });
  writeFileSync(new URL(`${file}.json`, folder), `${JSON.stringify(results, undefined, 2)}\n`);
}

/** @param {Result} result */
export function titleOf({ name, version, variant }) {
  return [name, version, ...(variant === undefined ? [] : [`(${variant})`])].join(' ');
}

function resultsIn(file, content) {
  const results = Array.isArray(content) ? content : [content];
  for (const result of results) {
    const problems = problemsOf(result);
    if (problems.length > 0) throw new Error(`lab/results/${file}: ${problems.join('; ')}`);
  }
  return results;
}

function problemsOf(result) {
  if (!isObject(result) || !Array.isArray(result.rows)) return ['must be an object with a list "rows"'];
  return [
    ...unknownMembers(result, MEMBERS),
    ...(KINDS.includes(result.kind) ? [] : [`kind must be one of ${KINDS.join(', ')}`]),
    ...missingTexts(result, TEXTS),
    ...(/^\d{4}-\d\d-\d\d$/.test(result.date) ? [] : ['date must be a day such as 2026-11-30']),
    ...optionalText(result, 'variant'),
    ...result.rows.flatMap((row, index) => rowProblems(row).map((problem) => `rows[${index}]: ${problem}`)),
    ...repeated(result.rows.map((row) => row?.id)).map((id) => `the id "${id}" occurs twice`),
  ];
}

function rowProblems(row) {
  if (!isObject(row)) return ['must be an object'];
  return [
    ...unknownMembers(row, ROW_MEMBERS),
    ...missingTexts(row, ROW_TEXTS),
    ...(typeof row.ok === 'boolean' ? [] : ['ok must be true or false']),
    ...(OUTCOMES.includes(row.result) ? [] : [`result must be one of ${OUTCOMES.join(', ')}`]),
    ...optionalText(row, 'note'),
  ];
}

const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
const isText = (value) => typeof value === 'string' && value !== '';

const missingTexts = (object, members) =>
  members.filter((member) => !isText(object[member])).map((member) => `${member} must be a text that is not empty`);

const optionalText = (object, member) =>
  object[member] === undefined || isText(object[member]) ? [] : [`${member} must be a text that is not empty`];

const unknownMembers = (object, known) =>
  Object.keys(object)
    .filter((member) => !known.has(member))
    .map((member) => `there is no member "${member}"`);

const repeated = (ids) => ids.filter((id, index) => ids.indexOf(id) !== index);
