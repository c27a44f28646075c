/**
 * `npm run soak -- [--hours=N | --minutes=N] [--seed=N] [--write]`: load at half of what the machine can do, while the
 * authorization servers rotate keys, fail and lie. Every answer is compared with what it must be. Ends with what was lost, and
 * with 1 if that is anything. With `--write`, it writes `RESULTS.md` and `soak.svg` beside this file.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Load } from './load.js';
import { Person } from './people.js';
import { soakChart } from './chart.js';
import { randomFrom } from './random.js';
import { reportOf, verdictsOf } from './report.js';
import { acceptFirstKey } from './scenarios.js';
import { startTargets } from './targets.js';
import { Weather } from './weather.js';

const { values } = parseArgs({
  options: {
    hours: { type: 'string' },
    minutes: { type: 'string' },
    seed: { type: 'string' },
    write: { type: 'boolean' },
  },
});

const minutes = Number(values.minutes ?? 60 * Number(values.hours ?? 1));
const seed = Number(values.seed ?? Date.now() % 1_000_000);
if (!(minutes > 0) || !Number.isInteger(seed))
  throw new Error('--hours and --minutes are numbers above 0, --seed is a whole number');

/** Seconds in which the capacity is measured, at first. */
const CAPACITY_SECONDS = 8;

/** Milliseconds between the changes of the weather. */
const BETWEEN_CHANGES_MS = 12_000;

/** Milliseconds between two points of the plot. */
const POINT_MS = 2_000;

const random = randomFrom(seed);
const weather = await Weather.start();
const targets = await startTargets(weather);
const people = await Promise.all(
  Array.from({ length: 40 }, (_, index) => Person.create(`user-${index}`, weather, false)),
);
const opaquePeople = await Promise.all(
  Array.from({ length: 20 }, (_, index) => Person.create(`opaque-${index}`, weather, true)),
);
for (const target of targets) await acceptFirstKey({ target, weather });

const load = new Load({ targets, weather, people, opaquePeople, random });
await load.run({ end: performance.now() + CAPACITY_SECONDS * 1_000 });
const perSecond = Math.round(load.done / CAPACITY_SECONDS / 2);
const start = performance.now();
const end = start + minutes * 60_000;
console.log(`${minutes} minutes at ${perSecond} scenarios a second, half of the capacity; seed ${seed}`);

const points = [];
const watching = setInterval(watch, POINT_MS);
await Promise.all([load.run({ end, perSecond }), changeWeather()]);
clearInterval(watching);
// What is left once all connections of the load are idle.
await new Promise((resolve) => setTimeout(resolve, 12_000));

const run = { minutes, seed, perSecond, start, load, targets, points, weather };
const verdicts = verdictsOf(run);
console.log(reportOf(run, verdicts));
if (values.write) {
  writeFileSync(new URL('RESULTS.md', import.meta.url), `${reportOf(run, verdicts)}\n`);
  writeFileSync(new URL('soak.svg', import.meta.url), soakChart(run));
}
for (const target of targets) await target.stop();
await weather.close();
process.exit(verdicts.every(({ isGood }) => isGood) ? 0 : 1);

async function changeWeather() {
  while (performance.now() + BETWEEN_CHANGES_MS < end) {
    await new Promise((resolve) => setTimeout(resolve, BETWEEN_CHANGES_MS));
    await weather.change(random);
  }
}

function watch() {
  const latencies = load.latencies.toSorted((a, b) => a - b);
  load.latencies = [];
  const at = (part) => latencies[Math.floor(part * (latencies.length - 1))];
  points.push({ at: performance.now(), median: at(0.5), slow: at(0.99), done: load.done });
  if (points.length % 30 === 0) {
    const { done, wrong } = load;
    console.log(`${Math.round((performance.now() - start) / 60_000)} min: ${done} scenarios, ${wrong.length} wrong`);
  }
}
