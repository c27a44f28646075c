import { createPublicKey } from 'node:crypto';
import { claiming, headed } from './attack.js';
import { goodClaims, goodHeader, MARK, type Lab } from './lab.js';
import { withLeadingZero } from './rsa.js';
import { bytesOf, numberOf, putTogether, takeApart } from './signed.js';
import { paddedToken } from './structure.js';

// What looks odd and is good: without these, a server that refuses everything would pass.

export interface Control {
  readonly name: string;
  /** The tool that must run. */
  readonly tool: string;
  readonly token: (lab: Lab) => string | Promise<string>;
}

const N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

const TOKENS: Readonly<Record<string, Control['token']>> = {
  'a token with nothing odd': (lab) => claiming(lab, {}),
  'a token under rfc9068 of the other issuer': ({ other, server }) => other.mint({ aud: server.resource }),
  ES384: (lab) => claiming(lab, {}, { key: lab.keys.es384 }),
  ES512: (lab) => claiming(lab, {}, { key: lab.keys.es512 }),
  EdDSA: (lab) => claiming(lab, {}, { key: lab.keys.ed25519 }),
  RS256: (lab) => claiming(lab, {}, { key: lab.keys.rs256 }),
  PS256: (lab) => claiming(lab, {}, { key: lab.keys.ps256 }),
  'PS256 with an RSA key that says nothing': (lab) => claiming(lab, {}, { key: lab.keys.anyRsa, alg: 'PS256' }),
  'RS512 with an RSA key that says nothing': (lab) => claiming(lab, {}, { key: lab.keys.anyRsa, alg: 'RS512' }),
  'an RS256 signature that begins with a zero byte': async (lab) => {
    const { text, signature } = await withLeadingZero(lab);
    return putTogether(text, signature);
  },
  'an ECDSA signature with s negated, which is as good': async (lab) => {
    const { text, signature } = takeApart(await lab.server.mint());
    const s = bytesOf(N - numberOf(signature.subarray(32)), 32);
    return putTogether(text, Buffer.concat([signature.subarray(0, 32), s]));
  },
  'no kid': (lab) => headed(lab, { kid: undefined }),
  'no kid, with an RSA key': (lab) => headed(lab, { kid: undefined }, { key: lab.keys.rs256 }),
  'typ at+jwt': (lab) => headed(lab, { typ: 'at+jwt' }),
  'typ application/at+jwt': (lab) => headed(lab, { typ: 'application/at+jwt' }),
  'typ AT+JWT': (lab) => headed(lab, { typ: 'AT+JWT' }),
  'typ JWT': (lab) => headed(lab, { typ: 'JWT' }),
  'no typ': (lab) => headed(lab, { typ: undefined }),
  'an access token of Keycloak': (lab) =>
    claiming(lab, { typ: 'Bearer', azp: 'web', client_id: undefined }, { header: { typ: 'JWT' } }),
  'an access token of Cognito': (lab) => claiming(lab, { token_use: 'access' }, { header: { typ: undefined } }),
  'a header of unknown members': (lab) => headed(lab, { x: MARK, y: [1], 'urn:z': null }),
  'a header with other keys in it': (lab) =>
    headed(lab, {
      jwk: lab.keys.forged.publicJwk,
      jku: lab.stranger.jwksUri,
      x5u: lab.stranger.issuer,
      x5c: [spki(lab)],
      x5t: MARK,
    }),
  'a header with escapes': ({ server, issuer: { key } }) => {
    const rawHeader = String.raw`{"\u0061lg":"\u0045S256","typ":"at\u002Bjwt","k\u0069d":"${key.kid}"}`;
    return server.mint({}, { rawHeader });
  },
  'a header of a member twice, the last one good': (lab) => {
    const { kid } = goodHeader(lab) as { kid: string };
    return lab.server.mint({}, { rawHeader: `{"alg":"none","alg":"ES256","kid":"other","kid":"${kid}"}` });
  },
  'white space in the JSON': (lab) =>
    lab.server.mint({}, { payload: `\r\n\t ${JSON.stringify(goodClaims(lab), undefined, '\t')}\n ` }),
  'a claim twice, the last one good': (lab) =>
    lab.server.mint(
      {},
      { payload: JSON.stringify(goodClaims(lab)).replace('{', '{"iss":"https://evil.example","exp":1,"aud":null,') },
    ),
  'claims of all names that objects have': (lab) =>
    lab.server.mint(
      {},
      {
        payload: JSON.stringify(goodClaims(lab)).replace(
          '{',
          '{"__proto__":{"x":1},"constructor":null,"toString":7,"hasOwnProperty":false,',
        ),
      },
    ),
  'a claim nested 2 000 deep': (lab) =>
    lab.server.mint(
      {},
      { payload: JSON.stringify(goodClaims(lab)).replace('{', `{"x":${'['.repeat(2_000)}${']'.repeat(2_000)},`) },
    ),
  'a claim of lone surrogates and line separators': (lab) => claiming(lab, { name: '\ud800 \u2028 \u0000 \u{1f511}' }),
  'a subject of another script': (lab) => claiming(lab, { sub: '\u0430\u043b\u0438\u0441\u0430' }),
  'a client and no subject': (lab) => claiming(lab, { sub: undefined }),
  'a subject and no client': (lab) => claiming(lab, { client_id: undefined }),
  'a list of one audience': (lab) => claiming(lab, { aud: [lab.server.resource] }),
  'a list of many audiences': (lab) => claiming(lab, { aud: ['https://other.example', '', lab.server.resource, '*'] }),
  'the longest token that is looked at': (lab) => paddedToken(lab, 16_384),
  'an exp that just ended, within the tolerance': (lab) => claiming(lab, { exp: lab.seconds - 4.999 }),
  'an exp of a fraction': (lab) => claiming(lab, { exp: lab.seconds + 0.5 }),
  'an exp in exponents': (lab) => {
    const { exp, ...rest } = goodClaims(lab) as { exp: number };
    return lab.server.mint({}, { payload: JSON.stringify(rest).replace('{', `{"exp":${exp / 10}E+1,`) });
  },
  'an exp in a day and the tolerance': (lab) => claiming(lab, { exp: lab.seconds + 86_405 }),
  'an nbf and an iat in the future, within the tolerance': (lab) =>
    claiming(lab, { nbf: lab.seconds + 5, iat: lab.seconds + 5 }),
  'an nbf and an iat of zero': (lab) => claiming(lab, { nbf: 0, iat: 0 }),
};

const SCOPES: readonly [tool: string, scope: string][] = [
  ['read-note', 'a'],
  ['read-note', 'a a'],
  ['read-note', ' a'],
  ['read-note', 'c   a '],
  ['read-note', 'c\tc a'],
  ['read-note', 'b'],
  ['read-note', 'admin'],
  ['write-note', 'b a'],
  ['write-note', 'b'],
  ['admin', 'x admin y'],
];

function spki({ keys }: Lab): string {
  return createPublicKey(keys.forged.privateKey).export({ type: 'spki', format: 'der' }).toString('base64');
}

export const CONTROLS: readonly Control[] = [
  ...Object.entries(TOKENS).map(([name, token]): Control => ({ name, tool: 'ping', token })),
  ...SCOPES.map(([tool, scope]): Control => ({
    name: `${tool} with the scope ${JSON.stringify(scope)}`,
    tool,
    token: (lab) => claiming(lab, { scope }),
  })),
];

/** How a good token may be presented besides as usual, told it. */
export const PRESENTATIONS: Readonly<Record<string, (token: string) => string>> = {
  'in lower case': (token) => `authorization: bearer ${token}`,
  'in upper case': (token) => `AUTHORIZATION: BEARER ${token}`,
  'with many spaces': (token) => `Authorization: Bearer      ${token}`,
  'with white space around the value': (token) => `Authorization: \t Bearer ${token}\t  `,
  'without a space behind the colon': (token) => `Authorization:Bearer ${token}`,
};
