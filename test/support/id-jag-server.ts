import { decodeJwt, type JWTPayload } from 'jose';
import type { DownstreamOptions, McpAuthInfo, SubjectToken } from 'nestjs-mcp-auth';
import { signToken } from '../../lib/testing/test-token.js';
import { TestIssuer, type RecordedRequest } from 'nestjs-mcp-auth/testing';
import {
  AUDIENCE,
  startDownstreamServer,
  type DownstreamServer,
  type DownstreamSettings,
} from './downstream-server.js';
import type { Platform } from './platforms.js';

export const ID_JAG = 'urn:ietf:params:oauth:token-type:id-jag';
export const ID_TOKEN = 'urn:ietf:params:oauth:token-type:id_token';
export const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
export const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';

/** This server as a client of the identity provider, and of the authorization server of the API. */
export const AT_IDP = { clientId: 'notes-at-idp', clientSecret: 'secret-at-idp' };
export const AT_API = { clientId: 'notes-at-api', clientSecret: 'secret-at-api' };

/** A server whose API `calendar` belongs to another domain. */
export interface IdJagServer extends DownstreamServer {
  readonly idp: TestIssuer;
  readonly apiServer: TestIssuer;
  /** The options of the API `calendar`. */
  readonly calendar: Partial<DownstreamOptions>;
  /** The subject tokens that the application has, by the subject of the caller. */
  readonly subjectTokens: Map<string, unknown>;
  /** The subjects for which the application was asked. */
  readonly asked: (string | undefined)[];
  /** Stores an ID token of a user, and returns an access token of the same user. */
  signIn(sub: string): Promise<string>;
  /** Makes both authorization servers right again, and lets pauses and the quiet time of the log pass. */
  repair(): void;
}

/** What a token endpoint was asked, oldest first. */
export function formsAt(issuer: TestIssuer): URLSearchParams[] {
  return tokenRequestsAt(issuer).map(({ body }) => new URLSearchParams(body));
}

export function tokenRequestsAt(issuer: TestIssuer): RecordedRequest[] {
  return issuer.requests.filter(({ endpoint }) => endpoint === 'token');
}

/** Starts the server, the identity provider, and the authorization server of the API, which trusts it. */
export async function startIdJagServer(
  platform: Platform,
  changes: Partial<DownstreamOptions> = {},
  settings: Omit<DownstreamSettings, 'calendar'> = {},
): Promise<IdJagServer> {
  let now = (): number => Date.now();
  const start = async (tokenEndpoint: typeof AT_IDP): Promise<TestIssuer> =>
    TestIssuer.start({ alg: 'ES256', tokenEndpoint, now: () => now() });
  const [idp, apiServer] = [await start(AT_IDP), await start(AT_API)];
  const signer = new Signer(() => now());
  const subjectTokens = new Map<string, unknown>();
  const asked: (string | undefined)[] = [];
  const subjectToken = async ({ subject }: McpAuthInfo): Promise<SubjectToken> => {
    asked.push(subject);
    return subjectTokens.get(subject ?? '') as SubjectToken;
  };
  const { clientId, clientSecret } = AT_API;
  const calendar: Partial<DownstreamOptions> = {
    grant: 'id-jag',
    authorizationServer: apiServer.issuer,
    clientId,
    auth: { method: 'client_secret_basic', clientSecret },
    resource: AUDIENCE,
    audience: undefined as never,
    identityProvider: {
      authorizationServer: idp.issuer,
      clientId: AT_IDP.clientId,
      auth: { method: 'client_secret_post', clientSecret: AT_IDP.clientSecret },
      subjectToken,
    },
    ...changes,
  };
  const server = await startDownstreamServer(platform, { ...settings, calendar });
  now = (): number => server.clock.now;
  const repair = (): void => {
    idp.answerToken = (right, form) => issueIdJag(idp, signer, right, form);
    apiServer.answerToken = (right, form) => acceptIdJag([apiServer, idp], signer, right, form);
    for (const issuer of [idp, apiServer, server.issuer]) {
      issuer.recover();
      issuer.clearRequests();
    }
    server.clock.now += 61_000;
    server.log.length = 0;
    asked.length = 0;
  };
  repair();
  const signIn = async (sub: string): Promise<string> => {
    const token = signer.sign(idp, { sub: `${sub}@idp`, aud: AT_IDP.clientId }, 'JWT');
    subjectTokens.set(sub, { token, type: 'id_token' });
    return server.mint({ sub });
  };
  const close = async (): Promise<void> => {
    await server.close();
    await Promise.all([idp.close(), apiServer.close()]);
  };
  return { ...server, idp, apiServer, calendar, subjectTokens, asked, signIn, repair, close };
}

type Answer = Readonly<Record<string, unknown>>;

function refusal(error: string, status = 400): Response {
  return Response.json({ error }, { status });
}

/** Signs a token of an issuer, and remembers that it did. */
type Sign = (issuer: TestIssuer, claims: Answer, typ: string) => string;

/** Signs tokens, and tells whether it has signed one for an audience. */
class Signer {
  readonly #signed = new Set<string>();
  readonly #used = new Set<string>();

  constructor(private readonly now: () => number) {}

  readonly sign: Sign = (issuer, claims, typ) => {
    const iat = Math.floor(this.now() / 1000);
    const jti = `${this.#signed.size}`;
    const all = { iss: issuer.issuer, iat, exp: iat + 300, jti, ...claims };
    const token = signToken(all, issuer.key, { header: { typ } });
    this.#signed.add(token);
    return token;
  };

  claimsOf(token: string, issuer: TestIssuer, audience: string): JWTPayload | undefined {
    if (!this.#signed.has(token)) return undefined;
    const claims = decodeJwt(token);
    return claims.iss === issuer.issuer && claims.aud === audience ? claims : undefined;
  }

  /** Whether a token is presented for the first time. */
  isFresh(token: string): boolean {
    const isFresh = !this.#used.has(token);
    this.#used.add(token);
    return isFresh;
  }
}

/** As an identity provider does: the subject token must have been issued to the client that presents it. */
function issueIdJag(idp: TestIssuer, signer: Signer, right: Answer, form: URLSearchParams): unknown {
  if (right['error'] === 'invalid_client') return refusal('invalid_client', 401);
  if (form.get('requested_token_type') !== ID_JAG) return refusal('invalid_request');
  const subject = signer.claimsOf(form.get('subject_token') ?? '', idp, AT_IDP.clientId);
  if (!subject) return refusal('invalid_grant');
  const [aud, resource, scope] = ['audience', 'resource', 'scope'].map((name) => form.get(name) ?? undefined);
  const claims = { sub: subject.sub, aud, resource, scope, client_id: AT_API.clientId };
  const token = signer.sign(idp, claims, 'oauth-id-jag+jwt');
  return { access_token: token, issued_token_type: ID_JAG, token_type: 'N_A', expires_in: 300, scope };
}

/** As the authorization server of the API does: each ID-JAG once, and for this client and this server only. */
function acceptIdJag(
  [apiServer, idp]: readonly [TestIssuer, TestIssuer],
  signer: Signer,
  right: Answer,
  form: URLSearchParams,
): unknown {
  if (right['error'] === 'invalid_client') return refusal('invalid_client', 401);
  const assertion = form.get('assertion') ?? '';
  const claims = signer.claimsOf(assertion, idp, apiServer.issuer);
  if (!claims || claims['client_id'] !== AT_API.clientId || !signer.isFresh(assertion)) return refusal('invalid_grant');
  const { sub, scope, resource: aud } = claims;
  return { access_token: signer.sign(apiServer, { sub, aud, scope }, 'at+jwt'), token_type: 'Bearer', scope };
}

/** The `sub` of a token, whoever issued it. */
export function subjectOf(token: string | null): string | undefined {
  return decodeJwt(token ?? '').sub;
}
