/** Sends what the scenarios say, at a steady rate, and keeps what came of it. */
import { isInconclusive, SCENARIOS } from './scenarios.js';
import { WrongAnswer } from './requests.js';

/** Most scenarios under way at a time. When so many wait, the load is late rather than larger. */
const MOST_UNDER_WAY = 300;

/** Wrong answers that are kept with their text. */
const MOST_TEXTS = 50;

export class Load {
  /** By name of the scenario. @type {Map<string, { right: number, wrong: number, inconclusive: number }>} */
  counts = new Map(SCENARIOS.map(({ name }) => [name, { right: 0, wrong: 0, inconclusive: 0 }]));
  /** How often each kind of request was sent. A scenario has one kind, or one for each of its variants. @type {Map<string, number>} */
  sent = new Map(SCENARIOS.flatMap((scenario) => kindsOf(scenario)).map((kind) => [kind, 0]));
  /** @type {string[]} */
  wrong = [];
  /** Milliseconds that known tokens took since they were last taken. @type {number[]} */
  latencies = [];
  #underWay = 0;
  /** The names of the scenarios that were begun. */
  #tried = new Set();

  /**
   * @param {{ targets: import('./targets.js').Target[], weather: import('./weather.js').Weather, people: import('./people.js').Person[], opaquePeople: import('./people.js').Person[], random: () => number }} world
   */
  constructor(world) {
    this.world = world;
  }

  get done() {
    return [...this.counts.values()].reduce(
      (sum, { right, wrong, inconclusive }) => sum + right + wrong + inconclusive,
      0,
    );
  }

  /**
   * Runs scenarios until `end`, by the clock of `performance`.
   *
   * @param {{ end: number, perSecond?: number }} pace without `perSecond`: as many as the servers can do, 32 at a time
   */
  async run({ end, perSecond }) {
    if (perSecond === undefined) await Promise.all(Array.from({ length: 32 }, () => this.#inTurn(end)));
    else await this.#paced(end, perSecond);
    while (this.#underWay > 0) await tick(50);
  }

  async #inTurn(end) {
    while (performance.now() < end) await this.#one();
  }

  async #paced(end, perSecond) {
    let due = 0;
    let last = performance.now();
    while (last < end) {
      await tick(5);
      const now = performance.now();
      due = Math.min(due + ((now - last) / 1_000) * perSecond, MOST_UNDER_WAY);
      last = now;
      for (; due >= 1 && this.#underWay < MOST_UNDER_WAY; due -= 1) void this.#one();
    }
  }

  async #one() {
    const { targets, people, opaquePeople, random } = this.world;
    const target = pick(targets, random);
    const scenario = this.#scenarioFor(target);
    const cast = {
      person: pick(people, random),
      stranger: pick(people, random),
      opaquePerson: pick(opaquePeople, random),
    };
    const variant = this.#variantOf(scenario);
    const kind = kindOf(scenario, variant);
    const count = this.counts.get(scenario.name);
    const start = performance.now();
    this.#underWay += 1;
    try {
      await scenario.run({ ...this.world, ...cast, target, variant });
      count.right += 1;
      this.sent.set(kind, this.sent.get(kind) + 1);
      if (scenario === SCENARIOS[0]) this.latencies.push(performance.now() - start);
    } catch (error) {
      if (isInconclusive(error)) count.inconclusive += 1;
      else {
        this.sent.set(kind, this.sent.get(kind) + 1);
        this.#keep(count, `${target.name}: ${error instanceof WrongAnswer ? error.message : error.stack}`);
      }
    } finally {
      this.#underWay -= 1;
    }
  }

  #keep(count, text) {
    count.wrong += 1;
    if (this.wrong.length < MOST_TEXTS) this.wrong.push(text);
  }

  /** The same for the variants of a scenario; undefined if it has none. */
  #variantOf(scenario) {
    const { variants } = scenario;
    if (!variants) return undefined;
    return (
      variants.find((variant) => this.sent.get(kindOf(scenario, variant)) === 0) ?? pick(variants, this.world.random)
    );
  }

  /** One that was never tried, so that chance leaves none out of a short run; then any, by its share. */
  #scenarioFor({ hasSessions }) {
    const fit = SCENARIOS.filter(({ sessions = false }) => hasSessions || !sessions);
    const untried = fit.find(({ name }) => !this.#tried.has(name));
    if (untried) {
      this.#tried.add(untried.name);
      return untried;
    }
    let left = this.world.random() * fit.reduce((sum, { share }) => sum + share, 0);
    return fit.find(({ share }) => (left -= share) < 0) ?? fit[0];
  }
}

/** The kinds of requests that a scenario sends. */
function kindsOf(scenario) {
  return (scenario.variants ?? [undefined]).map((variant) => kindOf(scenario, variant));
}

function kindOf({ name }, variant) {
  return variant === undefined ? name : `${name}: ${variant.what}`;
}

function pick(all, random) {
  return all[Math.floor(random() * all.length)];
}

function tick(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
