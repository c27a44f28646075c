import { MARK } from './lab.js';

// How a good token is presented, told it: RFC 6750 §2 and §3.1, OAuth 2.1 §5.1.1, RFC 9110 §5.5 and §11.4. Only header lines,
// written to the socket as they stand.

/** What a request with such headers is answered with. `unparsed`: Node refuses it before any application sees it. */
export type CredentialsAnswer = 'no credentials' | 'malformed' | 'repeated' | 'unparsed';

export interface CredentialsAttack {
  readonly name: string;
  readonly answer: CredentialsAnswer;
  readonly lines: (token: string) => readonly string[];
}

type Lines = (token: string) => readonly string[];

const MALFORMED: Readonly<Record<string, (token: string) => string>> = {
  'the scheme alone': () => 'Bearer',
  'the scheme and spaces': () => 'Bearer     ',
  'padding alone': () => 'Bearer ===',
  'a second word': (token) => `Bearer ${token} x`,
  'a word in front': (token) => `Bearer x ${token}`,
  'the scheme twice': (token) => `Bearer Bearer ${token}`,
  'another scheme behind': (token) => `Bearer ${token} DPoP ${token}`,
  'two tokens': (token) => `Bearer ${token} ${token}`,
  'two credentials in a list': (token) => `Bearer ${token}, Bearer ${token}`,
  'two credentials in a list without spaces': (token) => `Bearer ${token},Bearer ${token}`,
  'credentials of two schemes in a list': (token) => `Bearer ${token}, Basic eDp5`,
  'a comma behind': (token) => `Bearer ${token},`,
  'a comma in front': (token) => `Bearer ,${token}`,
  'a semicolon behind': (token) => `Bearer ${token};`,
  'a parameter': (token) => `Bearer token=${token}`,
  'a quoted parameter': (token) => `Bearer token="${token}"`,
  'a parameter named access_token': (token) => `Bearer access_token="${token}"`,
  'a realm': (token) => `Bearer realm="x", ${token}`,
  'a realm behind': (token) => `Bearer ${token}, realm="x"`,
  quotes: (token) => `Bearer "${token}"`,
  'single quotes': (token) => `Bearer '${token}'`,
  'angle brackets': (token) => `Bearer <${token}>`,
  braces: (token) => `Bearer {${token}}`,
  brackets: (token) => `Bearer [${token}]`,
  'a colon behind the scheme': (token) => `Bearer: ${token}`,
  'a comma behind the scheme': (token) => `Bearer, ${token}`,
  'an equals sign behind the scheme': (token) => `Bearer=${token}`,
  'a slash behind the scheme': (token) => `Bearer/ ${token}`,
  'a tab behind the scheme': (token) => `Bearer\t${token}`,
  'a space and a tab': (token) => `Bearer \t${token}`,
  'a tab and a space': (token) => `Bearer\t ${token}`,
  'a tab within': (token) => `Bearer ${token.slice(0, 20)}\t${token.slice(20)}`,
  'a space within': (token) => `Bearer ${token.slice(0, 20)} ${token.slice(20)}`,
  'spaces for dots': (token) => `Bearer ${token.replaceAll('.', ' ')}`,
  'a space behind each dot': (token) => `Bearer ${token.replaceAll('.', '. ')}`,
  'commas for dots': (token) => `Bearer ${token.replaceAll('.', ',')}`,
  'percent-encoded dots': (token) => `Bearer ${token.replaceAll('.', '%2e')}`,
  'a percent-encoded character': (token) => `Bearer %65${token.slice(1)}`,
  'an entity of HTML': (token) => `Bearer ${token.replaceAll('.', '&#46;')}`,
  'padding behind each part': (token) => `Bearer ${token.replaceAll('.', '=.')}`,
  'a backslash': (token) => `Bearer \\${token}`,
  'a hash': (token) => `Bearer ${token}#`,
  'a question mark': (token) => `Bearer ${token}?`,
  'an asterisk': (token) => `Bearer ${token}*`,
  'an at sign': (token) => `Bearer ${token}@`,
  'a byte beyond ASCII': (token) => `Bearer ${token}\u00e9`,
  'a no-break space behind': (token) => `Bearer ${token}\u00a0`,
  'a no-break space for the space': (token) => `Bearer\u00a0${token}`,
  'a next-line character behind': (token) => `Bearer ${token}\u0085`,
  'a byte order mark in front of the token': (token) => `Bearer \u00ef\u00bb\u00bf${token}`,
  JSON: (token) => `Bearer {"access_token":"${token}"}`,
  'the flattened JSON serialization': (token) => {
    const [header, payload, signature] = token.split('.');
    return `Bearer {"protected":"${header}","payload":"${payload}","signature":"${signature}"}`;
  },
};

const OTHER_SCHEMES: Readonly<Record<string, (token: string) => string>> = {
  'nothing at all': () => '',
  'the token alone': (token) => token,
  'the scheme run together with the token': (token) => `Bearer${token}`,
  'an underscore behind the scheme': (token) => `Bearer_ ${token}`,
  'a dot behind the scheme': (token) => `Bearer. ${token}`,
  'a letter too many': (token) => `Bearers ${token}`,
  'a letter too few': (token) => `Beare ${token}`,
  'letters swapped': (token) => `Braeer ${token}`,
  'a digit for a letter': (token) => `B3arer ${token}`,
  'something in front of the scheme': (token) => `x Bearer ${token}`,
  'a comma in front of the scheme': (token) => `,Bearer ${token}`,
  'a quote in front of the scheme': (token) => `"Bearer ${token}"`,
  'a no-break space in front of the scheme': (token) => `\u00a0Bearer ${token}`,
  'a byte order mark in front of the scheme': (token) => `\u00ef\u00bb\u00bfBearer ${token}`,
  'the name of the header again': (token) => `Authorization: Bearer ${token}`,
  'a list that begins with another scheme': (token) => `Basic eDp5, Bearer ${token}`,
  'letters beyond ASCII': (token) => `B\u00e9arer ${token}`,
  Basic: (token) => `Basic ${Buffer.from(`Bearer:${token}`).toString('base64')}`,
  'Basic, with the token as user': (token) => `Basic ${Buffer.from(`${token}:`).toString('base64')}`,
  DPoP: (token) => `DPoP ${token}`,
  Token: (token) => `Token ${token}`,
  JWT: (token) => `JWT ${token}`,
  OAuth: (token) => `OAuth ${token}`,
  MAC: (token) => `MAC id="${token}"`,
  Digest: (token) => `Digest username="${token}"`,
  Negotiate: (token) => `Negotiate ${token}`,
  GNAP: (token) => `GNAP ${token}`,
  PoP: (token) => `PoP ${token}`,
  'AWS4-HMAC-SHA256': (token) => `AWS4-HMAC-SHA256 Credential=${token}`,
  'a minus for the scheme': (token) => `- ${token}`,
};

const ELSEWHERE: Readonly<Record<string, Lines>> = {
  'Proxy-Authorization': (token) => [`Proxy-Authorization: Bearer ${token}`],
  'X-Authorization': (token) => [`X-Authorization: Bearer ${token}`],
  'X-Forwarded-Authorization': (token) => [`X-Forwarded-Authorization: Bearer ${token}`],
  'X-Original-Authorization': (token) => [`X-Original-Authorization: Bearer ${token}`],
  'X-Amzn-Oidc-Accesstoken': (token) => [`X-Amzn-Oidc-Accesstoken: ${token}`],
  'X-Forwarded-Access-Token': (token) => [`X-Forwarded-Access-Token: ${token}`],
  'X-Auth-Request-Access-Token': (token) => [`X-Auth-Request-Access-Token: ${token}`],
  'Cf-Access-Jwt-Assertion': (token) => [`Cf-Access-Jwt-Assertion: ${token}`],
  'X-Access-Token': (token) => [`X-Access-Token: ${token}`],
  'X-Api-Key': (token) => [`X-Api-Key: ${token}`],
  Authentication: (token) => [`Authentication: Bearer ${token}`],
  Authorisation: (token) => [`Authorisation: Bearer ${token}`],
  'Authorization-Token': (token) => [`Authorization-Token: Bearer ${token}`],
  HTTP_AUTHORIZATION: (token) => [`HTTP_AUTHORIZATION: Bearer ${token}`],
  'WWW-Authenticate': (token) => [`WWW-Authenticate: Bearer ${token}`],
  'Sec-WebSocket-Protocol': (token) => [`Sec-WebSocket-Protocol: bearer, ${token}`],
  'Mcp-Session-Id': (token) => [`Mcp-Session-Id: ${token}`],
  DPoP: (token) => [`DPoP: ${token}`],
  'a cookie': (token) => [`Cookie: access_token=${token}; Authorization=Bearer ${token}; token=${token}`],
  'a referrer': (token) => [`Referer: https://evil.example/?access_token=${token}`],
  'a field that says it is hop by hop': (token) => [
    'Connection: keep-alive, X-Authorization',
    `X-Authorization: Bearer ${token}`,
  ],
  'a field that names the header': (token) => [`X-Header: Authorization: Bearer ${token}`],
};

const REPEATED: Readonly<Record<string, Lines>> = {
  'a bad one behind': (token) => [`Authorization: Bearer ${token}`, `Authorization: Bearer ${MARK}`],
  'a bad one in front': (token) => [`Authorization: Bearer ${MARK}`, `Authorization: Bearer ${token}`],
  'the same twice': (token) => [`Authorization: Bearer ${token}`, `Authorization: Bearer ${token}`],
  'the same in another case': (token) => [`authorization: bearer ${token}`, `AUTHORIZATION: BEARER ${token}`],
  'an empty one behind': (token) => [`Authorization: Bearer ${token}`, 'Authorization:'],
  'an empty one in front': (token) => ['Authorization:', `Authorization: Bearer ${token}`],
  'Basic behind': (token) => [`Authorization: Bearer ${token}`, 'Authorization: Basic eDp5'],
  'Basic in front': (token) => ['Authorization: Basic eDp5', `Authorization: Bearer ${token}`],
  'DPoP behind': (token) => [`Authorization: Bearer ${token}`, `Authorization: DPoP ${token}`],
  'two that are not Bearer': () => ['Authorization: Basic eDp5', 'Authorization: Digest x="y"'],
  'a malformed one behind': (token) => [`Authorization: Bearer ${token}`, 'Authorization: Bearer'],
  'a dozen': (token) => Array.from({ length: 12 }, () => `Authorization: Bearer ${token}`),
  'others between': (token) => [
    `Authorization: Bearer ${token}`,
    'X-One: 1',
    'X-Two: 2',
    `Authorization: Bearer ${token}`,
  ],
};

const UNPARSED: Readonly<Record<string, Lines>> = {
  'a NUL behind the token': (token) => [`Authorization: Bearer ${token}\0`],
  'a NUL within the token': (token) => [`Authorization: Bearer ${token.slice(0, 9)}\0${token.slice(9)}`],
  'a bare carriage return': (token) => [`Authorization: Bearer ${token}\rX: y`],
  'a space before the colon': (token) => [`Authorization : Bearer ${token}`],
  'a tab before the colon': (token) => [`Authorization\t: Bearer ${token}`],
  'a space before the name': (token) => ['X-Before: 1', ` Authorization: Bearer ${token}`].slice(1),
  'a control character': (token) => [`Authorization: Bearer ${token}\u0001`],
  'a name in quotes': (token) => [`"Authorization": Bearer ${token}`],
  'no colon': (token) => [`Authorization Bearer ${token}`],
  'a name beyond ASCII': (token) => [`Authorizati\u00f6n: Bearer ${token}`],
};

function lineOf(values: Readonly<Record<string, (token: string) => string>>): Record<string, Lines> {
  const entries = Object.entries(values).map(([name, value]): [string, Lines] => [
    name,
    (token) => [`Authorization: ${value(token)}`],
  ]);
  return Object.fromEntries(entries);
}

function group(what: string, answer: CredentialsAnswer, table: Readonly<Record<string, Lines>>): CredentialsAttack[] {
  return Object.entries(table).map(([name, lines]) => ({ name: `${what} ${name}`, answer, lines }));
}

export const CREDENTIALS: readonly CredentialsAttack[] = [
  ...group('malformed credentials:', 'malformed', lineOf(MALFORMED)),
  ...group('credentials of another scheme:', 'no credentials', lineOf(OTHER_SCHEMES)),
  ...group('a good token in', 'no credentials', ELSEWHERE),
  ...group('repeated credentials:', 'repeated', REPEATED),
  ...group('no HTTP:', 'unparsed', UNPARSED),
];
