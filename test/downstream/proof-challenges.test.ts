import { expect, it } from '@jest/globals';
import { asksForNonce, refusesProof } from '../../lib/downstream/api-proofs.js';

/** An answer with one field for each of the values. */
const answer = (status: number, ...fields: string[]): Response => {
  const headers = new Headers();
  for (const field of fields) headers.append('www-authenticate', field);
  return new Response(null, { status, headers });
};

const judged = (response: Response): string =>
  asksForNonce(response) ? 'nonce' : refusesProof(response) ? 'proof' : 'token';

it.each<[string, string[], string]>([
  ['one challenge', ['DPoP error="use_dpop_nonce"'], 'nonce'],
  ['a challenge that refuses the proof', ['DPoP algs="ES256", error="invalid_dpop_proof"'], 'proof'],
  ['an unquoted error', ['dpop ERROR = use_dpop_nonce'], 'nonce'],
  ['several challenges in one field', ['Basic realm="a", DPoP error="use_dpop_nonce", Bearer'], 'nonce'],
  ['several fields', ['Bearer error="invalid_token"', 'DPoP error="use_dpop_nonce"'], 'nonce'],
  ['a refused proof before a nonce', ['DPoP error="invalid_dpop_proof"', 'DPoP error="use_dpop_nonce"'], 'nonce'],
  ['a token68 before it', ['Negotiate YWI6Yw==', 'DPoP error="invalid_dpop_proof"'], 'proof'],
  ['empty list elements', [', Bearer,, DPoP error="use_dpop_nonce",'], 'nonce'],
  ['a quoted string with a comma', ['Bearer realm="a, b", DPoP error="use_dpop_nonce"'], 'nonce'],
  ['the error in a quoted string', ['Bearer realm="a, error=use_dpop_nonce"'], 'token'],
  ['the error after an escaped quote', [String.raw`Bearer realm="\", error=use_dpop_nonce"`], 'token'],
  ['the error as the end of another name', ['DPoP an-error="use_dpop_nonce"'], 'token'],
  ['the beginning of another error', ['DPoP error="use_dpop_nonce-2"'], 'token'],
  ['two errors in one challenge', ['DPoP error="use_dpop_nonce", error="invalid_token"'], 'token'],
  ['a mistake after it', ['DPoP error="use_dpop_nonce" algs="ES256"'], 'nonce'],
  ['a quoted string without its end', ['DPoP error="use_dpop_nonce'], 'token'],
  ['no challenge', [], 'token'],
])('RFC9110-11.6.1-a: reads what a 401 is about from %s', (_what, fields, about) => {
  expect(judged(answer(401, ...fields))).toBe(about);
});

it('reads challenges of no other status', () => {
  expect(judged(answer(403, 'DPoP error="use_dpop_nonce"'))).toBe('token');
});
