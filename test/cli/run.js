/**
 * Runs the command line tool as it is built, as a process of its own, against servers of `nestjs-mcp-auth/testing` and
 * of nobody. What it finds is tested in process by `npm test`; here it is that it starts, reads, prints and exits. Needs
 * `npm run build`, so it is a step of CI of its own.
 */
import { strict as assert } from 'node:assert';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { TestIssuer } from '../../dist/testing/index.js';

const bin = fileURLToPath(new URL('../../dist/cli/bin.js', import.meta.url));

/** @param {string[]} args @param {{ input?: string, env?: Record<string, string> }} surroundings */
async function run(args, { input = '', env = {} } = {}) {
  const child = spawn(process.execPath, [bin, ...args], { env: { ...process.env, ...env } });
  // A command that refuses at once reads no input.
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { code, out, err };
}

/** @type {[name: string, check: (issuer: TestIssuer) => Promise<void>][]} */
const checks = [
  [
    'exits with 0 where nothing is wrong',
    async ({ issuer }) => {
      const { code, out, err } = await run(['doctor', issuer]);
      assert.deepEqual({ code, err }, { code: 0, err: '' });
      assert.match(out, /✓ AS-01 {2}the metadata is at/);
    },
  ],
  [
    'judges a token from standard input, prints none of it, and exits with 1 where something is wrong',
    async (issuer) => {
      const token = await issuer.mint({ aud: 'x', exp: 1 });
      const { code, out, err } = await run(['doctor', issuer.issuer, '--json', '--token', '-'], { input: token });
      assert.deepEqual({ code, err }, { code: 1, err: '' });
      const rows = JSON.parse(out)
        .sections.flatMap(({ checks: found }) => found)
        .filter(({ level }) => level === 'error');
      assert.deepEqual(
        rows.map(({ id }) => id),
        ['RFC9068-4-e'],
      );
      for (const part of token.split('.')) assert.ok(!out.includes(part));
    },
  ],
  [
    'exits with 2 for wrong usage, and prints the token that was given to standard error neither',
    async () => {
      const { code, out, err } = await run([
        'doctor',
        'https://mcp.example.com',
        '--token',
        'eyJhbGciOiJub25lIn0.e30.',
      ]);
      assert.deepEqual({ code, out }, { code: 2, out: '' });
      assert.ok(!err.includes('eyJhbGciOiJub25lIn0'));
    },
  ],
];

const issuer = await TestIssuer.start({ alg: 'ES256' });
try {
  for (const [name, check] of checks) {
    await check(issuer);
    console.log(`✓ ${name}`);
  }
  console.log(`${checks.length} passed, 0 failed`);
} finally {
  await issuer.close();
}
