import { readFile } from 'node:fs/promises';
import { OUTBOUND_LIMITS } from '../issuer/authorization-server.js';
import { readCommandLine, USAGE, type DoctorCommand } from './command-line.js';
import { wantsColours, type Console } from './console.js';
import type { ExchangeProbe } from './doctor/exchange.facts.js';
import { reportJson } from './doctor/report-json.js';
import { reportText } from './doctor/report-text.js';
import { runDoctor } from './doctor/run-doctor.js';
import { readKeyOfToken } from './dpop-key-file.js';
import { readSampleToken } from './sample-token.js';

/** Runs one command and returns the exit code: 0 no errors, 1 at least one error, 2 wrong usage or no server answers. */
export async function main(args: readonly string[], console: Console): Promise<number> {
  const command = readCommandLine(args);
  switch (command.kind) {
    case 'help':
      console.write(USAGE);
      return 0;
    case 'version':
      console.write(`${await ownVersion()}\n`);
      return 0;
    case 'refused':
      return refuse(command.why, console);
    case 'doctor':
      return doctor(command, console);
  }
}

async function doctor(command: DoctorCommand, console: Console): Promise<number> {
  const read = await readSampleToken(command.tokenSource, console);
  if ('why' in read) return refuse(read.why, console);
  const found = await readKeyOfToken(command, console);
  if ('why' in found) return refuse(found.why, console);
  const { target, isIssuer, audiences, clientId, redirectUri, register, timeoutMs } = command;
  const clientSecret = console.environment['MCP_AUTH_CLIENT_SECRET'];
  const exchange = exchangeOf(command, read.token, clientSecret);
  if (exchange && 'why' in exchange) return refuse(exchange.why, console);
  const report = await runDoctor({
    target,
    isIssuer,
    token: read.token,
    dpopKey: found.key,
    audiences,
    probes: { clientId, clientSecret, redirectUri, register, exchange },
    limits: { ...OUTBOUND_LIMITS, timeoutMs },
    now: Date.now,
  });
  const { verbose, json } = command;
  console.write(json ? reportJson(report) : reportText(report, { verbose, colours: wantsColours(console) }));
  return report.exitCode;
}

/** What to exchange; undefined for nothing. What was asked for and cannot be tried must not look like a success. */
function exchangeOf(
  { exchange: parameters, clientId }: DoctorCommand,
  token: string | undefined,
  clientSecret: string | undefined,
): ExchangeProbe | { readonly why: string } | undefined {
  if (parameters.length === 0) return undefined;
  if (clientId !== undefined && clientSecret && token !== undefined)
    return { parameters, token, clientId, clientSecret };
  return {
    why: '--exchange needs --client-id, the secret of that client in MCP_AUTH_CLIENT_SECRET, and the token of a caller',
  };
}

function refuse(why: string, console: Console): number {
  console.writeError(`${why}.\n\n${USAGE}`);
  return 2;
}

/** Reads the manifest, which is two folders above this one, both in the sources and in the published package. */
async function ownVersion(): Promise<string> {
  const manifest = await readFile(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(manifest) as { readonly version: string }).version;
}
