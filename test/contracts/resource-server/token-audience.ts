import { judge, notTestable, skipped, type Check, type Requirement } from './check.js';
import { probe, type Answer, type SpecVersion } from './mcp-request.js';

/** What mints the tokens: an issuer that the server under test trusts. */
export interface TokenIssuer {
  /**
   * Signs a token with a published key, valid for some minutes. The server under test must accept it unless the claims
   * say otherwise: no scope may be required for `initialize` and `server/discover`.
   *
   * @param claims added to those of a usual token; `undefined` removes one
   */
  sign(claims: Readonly<Record<string, unknown>>): Promise<string>;
  /** Signs such a token with a key that the issuer never published. */
  signWithUnknownKey(claims: Readonly<Record<string, unknown>>): Promise<string>;
}

const AUTHORIZATION = 'https://modelcontextprotocol.io/specification/2025-06-18/basic/authorization';
const TOKEN_HANDLING = { id: 'MCP-Auth-Token-Handling', url: `${AUTHORIZATION}#token-handling` };
const AUDIENCE = {
  id: 'MCP-Auth-Token-Audience-Binding-And-Validation',
  url: `${AUTHORIZATION}#token-audience-binding-and-validation`,
};
const RFC_8707 = { id: 'RFC-8707-Section-2', url: 'https://www.rfc-editor.org/rfc/rfc8707.html#section-2' };

const WITHOUT_TOKEN: Requirement = {
  id: 'auth-unauthenticated-request-rejected',
  description: 'A request without a token gets 401',
  level: 'MUST',
  specReferences: [TOKEN_HANDLING],
};
const GOOD_TOKEN: Requirement = {
  id: 'auth-valid-audience-token-accepted',
  description: 'A token of a trusted issuer for this server is accepted',
  level: 'MUST',
  specReferences: [TOKEN_HANDLING, RFC_8707],
};

interface BadToken {
  readonly requirement: Requirement;
  mint(issuer: TokenIssuer, serverUrl: string): Promise<string>;
}

const badToken = (
  id: string,
  what: string,
  specReferences: Requirement['specReferences'],
  mint: BadToken['mint'],
): BadToken => ({
  requirement: { id, description: `A token ${what} gets 401`, level: 'MUST', specReferences },
  mint,
});

const BAD_TOKENS: readonly BadToken[] = [
  badToken('auth-wrong-audience-token-rejected', 'for another resource', [AUDIENCE, RFC_8707], (issuer) =>
    issuer.sign({ aud: 'https://another-resource.example.com/mcp' }),
  ),
  badToken('auth-missing-audience-token-rejected', 'without an audience', [AUDIENCE], (issuer) =>
    issuer.sign({ aud: undefined }),
  ),
  badToken('auth-expired-token-rejected', 'that expired ten minutes ago', [TOKEN_HANDLING], (issuer, aud) => {
    const now = Math.floor(Date.now() / 1000);
    return issuer.sign({ aud, iat: now - 4200, exp: now - 600 });
  }),
  badToken('auth-untrusted-token-rejected', 'signed with an unknown key', [TOKEN_HANDLING], (issuer, aud) =>
    issuer.signWithUnknownKey({ aud }),
  ),
];

/**
 * Checks that a server accepts tokens for itself only, as in the scenario `auth-token-audience-validation`.
 *
 * A server that serves the request without a token has no authorization, which is optional in MCP: everything is skipped.
 * A server that refuses the good token proves nothing by refusing the others.
 *
 * @param serverUrl the URL of the MCP endpoint, which must be the audience that the server expects
 */
export async function checkTokenAudience(
  serverUrl: string,
  issuer: TokenIssuer,
  version: SpecVersion,
): Promise<Check[]> {
  const requirements = [WITHOUT_TOKEN, GOOD_TOKEN, ...BAD_TOKENS.map(({ requirement }) => requirement)];
  const without = await probe(serverUrl, version);
  if (isServed(without)) {
    return requirements.map((requirement) => skipped(requirement, 'The server has no authorization.'));
  }
  if (![401, 403].includes(without.status)) {
    const reason = `a request without a token got ${without.status}`;
    return requirements.map((requirement) => notTestable(requirement, reason));
  }
  const accepted = await probe(serverUrl, version, await issuer.sign({ aud: serverUrl }));
  return [
    judge(WITHOUT_TOKEN, refusalComplaint(without)),
    judge(GOOD_TOKEN, isServed(accepted) ? undefined : `got ${accepted.status}, ${accepted.challenge}`),
    ...(await Promise.all(
      BAD_TOKENS.map(async ({ requirement, mint }) =>
        isServed(accepted)
          ? judge(requirement, refusalComplaint(await probe(serverUrl, version, await mint(issuer, serverUrl))))
          : notTestable(requirement, 'the server refused the good token, too'),
      ),
    )),
  ];
}

const isServed = ({ status }: Answer): boolean => status >= 200 && status < 300;

function refusalComplaint({ status }: Answer): string | undefined {
  return status === 401 ? undefined : `got ${status} instead of 401`;
}
