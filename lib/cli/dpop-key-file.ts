import type { DoctorCommand } from './command-line.js';
import type { Console } from './console.js';
import { DpopKey } from './doctor/dpop-key.js';

/** The key of the token, if there is one, or why it cannot be used. The reason contains no part of the key. */
export type KeyOfToken = { readonly key: DpopKey | undefined } | { readonly why: string };

/** Reads the private JWK that the command line or the environment names. */
export async function readKeyOfToken({ dpopKeyFile }: DoctorCommand, console: Console): Promise<KeyOfToken> {
  let text: string | undefined;
  try {
    text = dpopKeyFile === undefined ? console.environment['MCP_AUTH_DPOP_KEY'] : await console.readFile(dpopKeyFile);
  } catch (error) {
    return { why: `the key cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})` };
  }
  if (text === undefined || text.trim() === '') return { key: undefined };
  const key = await DpopKey.read(text);
  return key ? { key } : { why: 'the key must be a private JWK, with the algorithm of its proofs as alg' };
}
