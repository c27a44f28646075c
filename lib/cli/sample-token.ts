import { readCredentials } from '../request/credentials.js';
import type { DoctorCommand } from './command-line.js';
import type { Console } from './console.js';

/** The token, if there is one, or why it cannot be used. The reason contains no part of the token. */
export type SampleToken = { readonly token: string | undefined } | { readonly why: string };

/** Reads a sample token from the source that the command line names. Removes white space around it. */
export async function readSampleToken(source: DoctorCommand['tokenSource'], console: Console): Promise<SampleToken> {
  const text = await textFrom(source, console);
  if (typeof text === 'object') return text;
  const trimmed = text?.trim() ?? '';
  if (trimmed === '') return source === 'environment' ? { token: undefined } : { why: 'the input contains no token' };
  const credentials = readCredentials({ headers: { authorization: `Bearer ${trimmed}` } });
  if (credentials.kind !== 'bearer') return { why: 'the input must be one access token and nothing else' };
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
