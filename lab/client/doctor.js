/** The doctor as it is built: `nestjs-mcp-auth doctor`. */
import { spawn } from 'node:child_process';
import { json } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

const BIN = fileURLToPath(new URL('../../dist/cli/bin.js', import.meta.url));

/**
 * @param {string[]} args
 * @param {string} [token] a sample token
 * @returns {Promise<{ id: string, level: string, seen?: string, remedy?: string }[]>} what it found
 */
export async function doctor(args, token) {
  const env = { ...process.env, ...(token !== undefined && { MCP_AUTH_TOKEN: token }) };
  const child = spawn(process.execPath, [BIN, 'doctor', ...args, '--json'], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const { sections } = await json(child.stdout);
  return sections.flatMap(({ subject, checks }) => checks.map((check) => ({ subject, ...check })));
}

/**
 * What a report complains of, in one line such as `error RFC9068-4-c; warning AS-04`.
 *
 * @param {{ id: string, level: string }[]} checks
 */
export function verdictOf(checks) {
  const bad = ['error', 'warning'].flatMap((level) => {
    const ids = new Set(checks.filter((check) => check.level === level).map(({ id }) => id));
    return ids.size === 0 ? [] : [`${level} ${[...ids].join(', ')}`];
  });
  return bad.length === 0 ? 'nothing to complain of' : bad.join('; ');
}
