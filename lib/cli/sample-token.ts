import { readCredentials } from '../request/credentials.js';
import type { DoctorCommand } from './command-line.js';
import type { Console } from './console.js';

/** The token, that there is none, or why it cannot be used; nothing of it is in the reason. */
export type SampleToken = { readonly token: string | undefined } | { readonly why: string };

/** Reads a sample token from where the command line says. White space around it is dropped. */
export async function readSampleToken(source: DoctorCommand['tokenSource'], console: Console): Promise<SampleToken> {
  const text = await textFrom(source, console);
  if (typeof text === 'object') return text;
  const trimmed = text?.trim() ?? '';
  if (trimmed === '')
    return source === 'environment' ? { token: undefined } : { why: 'there is no token: nothing was read' };
  const credentials = readCredentials({ headers: { authorization: `Bearer ${trimmed}` } });
  if (credentials.kind !== 'bearer')
    return { why: 'what was read is no access token: one is expected, and nothing else' };
  return { token: credentials.token };
}

async function textFrom(
  source: DoctorCommand['tokenSource'],
  console: Console,
): Promise<string | undefined | { readonly why: string }> {
  if (source === 'environment') return console.environment['MCP_AUTH_TOKEN'];
  try {
    return source === 'stdin' ? await console.readInput() : await console.readFile(source.file);
  } catch (error) {
    return { why: `the token cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})` };
  }
}
