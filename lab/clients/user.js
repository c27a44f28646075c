#!/usr/bin/env node
/**
 * The user of a client, and the browser: signs in as Alice and agrees to everything.
 *
 *     node user.js URL          opens the authorization URL, up to and including the callback of the client
 *     node user.js --stop URL   prints the callback URL instead of opening it
 */
import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';

const ALICE = { username: 'alice', password: 'alice' };

/** @param {string} address of an authorization request @returns {Promise<URL>} the callback with the answer */
export async function authorize(address) {
  const { ScriptedBrowser } = await import(new URL('../../build/sample/demo-client/browser.js', import.meta.url).href);
  const url = new URL(address);
  return (await new ScriptedBrowser(ALICE).visit(url, url.searchParams.get('redirect_uri'))).callback;
}

/** Opens the callback. Some clients begin to listen only after they opened the browser. */
export async function openCallback(callback) {
  for (let tries = 0; ; tries += 1) {
    try {
      return await fetch(callback);
    } catch (error) {
      if (tries === 40) throw error;
      await sleep(250);
    }
  }
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const callback = await authorize(process.argv.at(-1));
  if (process.argv.includes('--stop')) console.log(callback.href);
  else await openCallback(callback);
}
