/**
 * Lets every sample with a `demo.ts` check itself, on Express and on Fastify, and prints one line for each run, with all
 * of its output where it failed. Names of samples as arguments (`06`, `06-several-resources`) run those only.
 * Needs `npm run build:samples` before.
 */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = new URL('../', import.meta.url);

/** Where the platform is the point, or makes no difference. */
const PLATFORMS = { '08-fastify': ['fastify'], '11-testing-your-app': ['express'] };

/** Further ways to run a sample. */
const VARIANTS = { '01-quick-start': [{ SESSIONS: 'true' }] };

const chosen = process.argv.slice(2);
const samples = readdirSync(new URL('sample/', root))
  .filter((name) => existsSync(new URL(`sample/${name}/demo.ts`, root)))
  .filter((name) => chosen.length === 0 || chosen.some((one) => name === one || name.startsWith(`${one}-`)));

const runs = samples.flatMap((sample) =>
  [{}, ...(VARIANTS[sample] ?? [])].flatMap((variant) =>
    (PLATFORMS[sample] ?? ['express', 'fastify']).map((platform) => ({
      sample,
      env: { ...variant, PLATFORM: platform },
    })),
  ),
);

/** @param {{ sample: string, env: Record<string, string> }} run */
async function passes({ sample, env }) {
  const demo = fileURLToPath(new URL(`build/sample/${sample}/demo.js`, root));
  const child = spawn(process.execPath, [demo], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  const code = await new Promise((resolve) => child.once('close', resolve));
  const name = [
    sample,
    ...Object.entries(env).map(([variable, value]) => (variable === 'PLATFORM' ? value : `${variable}=${value}`)),
  ].join(' ');
  console.log(`${code === 0 ? '✓' : '✗'} ${name}: ${output.trimEnd().split('\n').at(-1)}`);
  if (code !== 0) console.log(`${output}\nended with ${code}`);
  return code === 0;
}

let passed = 0;
for (const run of runs) if (await passes(run)) passed++;
console.log(`${passed} passed, ${runs.length - passed} failed`);
if (passed < runs.length || runs.length === 0) process.exitCode = 1;
