/** How long a test or a hook may take when it runs again, in milliseconds. None takes a tenth of it without a mutant. */
const TIMEOUT_MS = 4_000;

/** The tests of a file that Jest has loaded, to be run again, each with the hooks around it. */
export class TestsAgain {
  all = [];
  #uncaught;

  constructor(root, uncaught) {
    this.#uncaught = uncaught;
    this.#collect(root);
  }

  #collect(block) {
    for (const child of block.children) {
      if (child.type === 'test') this.all.push(child);
      else this.#collect(child);
    }
  }

  nameOf(index) {
    const blocks = blocksAround(this.all[index]).map(({ name }) => name);
    return [...blocks.slice(1), this.all[index].name].join(' › ');
  }

  /** The name of a block with those around it. */
  idOf(block) {
    return block ? `${this.idOf(block.parent)}/${block.name}` : '';
  }

  blockIdsAround(index) {
    return blocksAround(this.all[index]).map((block) => this.idOf(block));
  }

  canRun(index) {
    const { fn, mode, errors, failing } = this.all[index];
    return Boolean(fn) && fn.length === 0 && mode !== 'skip' && mode !== 'todo' && !failing && errors.length === 0;
  }

  firstFailed() {
    const index = this.all.findIndex(({ errors }) => errors.length > 0);
    return index === -1 ? undefined : this.nameOf(index);
  }

  async passes(index) {
    const test = this.all[index];
    const around = blocksAround(test);
    const context = {};
    const failures = [];
    const attempt = async (fn) => {
      try {
        await withTimeout(fn, context);
      } catch (error) {
        failures.push(error);
      }
    };
    const hooks = (blocks, type) => blocks.flatMap((block) => block.hooks.filter((hook) => hook.type === type));
    const inward = [...hooks(around, 'beforeAll'), ...hooks(around, 'beforeEach')];
    const outward = [...hooks(around.toReversed(), 'afterEach'), ...hooks(around.toReversed(), 'afterAll')];
    for (const { fn } of inward) if (failures.length === 0) await attempt(fn);
    if (failures.length === 0) await attempt(test.fn);
    for (const { fn } of outward) await attempt(fn);
    return failures.length === 0 && this.#uncaught() === undefined;
  }
}

/** From the outermost to the innermost. */
function blocksAround({ parent }) {
  return parent ? [...blocksAround(parent), parent] : [];
}

async function withTimeout(fn, context) {
  let timer;
  const late = new Promise((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('too late')), TIMEOUT_MS);
  });
  try {
    await Promise.race([fn.call(context), late]);
  } finally {
    clearTimeout(timer);
  }
}
