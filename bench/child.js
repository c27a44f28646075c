import { fork } from 'node:child_process';

/**
 * Starts a script in its own process. The script answers questions with the functions that it passed to {@link answer}.
 *
 * @param {URL} script
 * @param {{ execArgv?: string[], node?: string | undefined }} [options] `node`: the executable that runs it,
 * by default that of this process
 */
export function startChild(script, { execArgv = [], node = process.execPath } = {}) {
  const child = fork(script, {
    execArgv,
    execPath: node,
    env: { ...process.env, NODE_ENV: 'production' },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  /** @type {Map<number, { resolve: (result: any) => void, reject: (error: Error) => void }>} */
  const waiting = new Map();
  let asked = 0;
  child.on('message', ({ id, result, error }) => {
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) resolve(result);
    else reject(new Error(error));
  });
  child.on('exit', (code) => {
    for (const { reject } of waiting.values()) reject(new Error(`${script.pathname} ended with ${code}`));
  });
  return {
    /** @param {string} question @param {...unknown} args @returns {Promise<any>} */
    ask(question, ...args) {
      return new Promise((resolve, reject) => {
        waiting.set((asked += 1), { resolve, reject });
        child.send({ id: asked, question, args });
      });
    },
    stop() {
      if (child.connected) child.disconnect();
    },
  };
}

/**
 * For the child: answers the questions of its parent. The child ends when the parent ends or disconnects.
 *
 * @param {Record<string, (...args: any[]) => unknown>} answers
 */
export function answer(answers) {
  process.on('disconnect', () => process.exit());
  process.on('message', async ({ id, question, args }) => {
    try {
      process.send({ id, result: await answers[question](...args) });
    } catch (error) {
      process.send({ id, error: error?.stack ?? String(error) });
    }
  });
}
