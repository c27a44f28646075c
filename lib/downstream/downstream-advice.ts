import { quoted } from '../core/safe-text.js';
import { ClientSecretError } from '../issuer/rotating-secret.js';
import { TokenAnswerError, TokenRefusedError } from '../issuer/token-answer.js';
import { adviceForFailure } from '../observability/failure-advice.js';
import { exchangeAdvice, exchangeAdviceAfter } from '../products/exchange-advice.js';
import type { ResolvedDownstream } from '../options/downstream-options.js';
import { causeOf } from './downstream-refusal.js';
import { TokenFunctionError } from './sendable-token.js';

/** The server that refused, and what is configured for it. */
interface Place {
  /** Where its settings stand in the options. */
  readonly option: string;
  readonly clientId: string;
  /** The grant of the request, as its settings call it. */
  readonly grant: string;
}

type Advice = Readonly<Record<string, (place: Place, api: ResolvedDownstream) => string>>;

/** What to do, by error code. */
const ADVICE: Advice = {
  invalid_client: ({ option, clientId }) =>
    `see that the client ${quoted(clientId)} exists, and that auth of ${option} is its present secret or key`,
  invalid_grant: ({ clientId }) =>
    `if no caller gets one, see that the tokens of callers are issued for the client ${quoted(clientId)}: their aud must be that application`,
  unauthorized_client: ({ clientId, grant }) => `allow the client ${quoted(clientId)} the grant ${grant}`,
  unsupported_grant_type: ({ grant }) =>
    `turn on the grant ${grant} at the authorization server, or choose another one`,
  access_denied: ({ clientId }) =>
    `if no caller gets one, allow the client ${quoted(clientId)} to exchange their tokens; some servers, such as Keycloak, want it in the aud of these`,
  invalid_dpop_proof: (_place, api) => proofAdvice(api),
  use_dpop_nonce: (_place, api) => proofAdvice(api),
  invalid_target: ({ option }) =>
    `see that the authorization server knows resource and audience of ${option}, and that this client may have tokens for them`,
  invalid_scope: ({ option }) =>
    `see that this client may have the scopes of ${option}; if callers must have consented to scopes of this server first, list these in stepUpScopes`,
  consent_required: ({ clientId }) =>
    `if no caller gets one, let an administrator consent to what the client ${quoted(clientId)} asks for`,
  invalid_request: ({ option }) =>
    `see what this authorization server expects, and set resource, audience, scopes and parameters of ${option} accordingly`,
};

function proofAdvice({ name, dpop }: ResolvedDownstream): string {
  if (!dpop) return `set dpop: true in downstream.${name}, since this server issues tokens to clients with a key only`;
  return 'set the clock of this machine right, and see that the authorization server accepts the algorithm of the key';
}

function tokenAdvice({ name, clientId, dpop }: ResolvedDownstream): string {
  if (!dpop) return 'let the authorization server issue an access token of the type Bearer for this API';
  const client = quoted(clientId);
  return `let the authorization server bind the tokens of the client ${client} to its key (RFC 9449), or remove dpop of downstream.${name}`;
}

/** Entra ID sends it beside `invalid_grant`. */
const CONSENT = 'consent_required';

/** The codes with which products refuse an exchange that was not set up for the client. */
const OF_PRODUCT: ReadonlySet<string> = new Set([
  'access_denied',
  'invalid_grant',
  'invalid_request',
  'invalid_target',
  'unauthorized_client',
  'unsupported_grant_type',
]);

/** What to do if the identity provider issues no ID-JAG. */
const AT_IDENTITY_PROVIDER: Advice = {
  invalid_grant: ({ option, clientId }) =>
    `see that ${option}.subjectToken returns tokens that were issued to the client ${quoted(clientId)} and have not expired`,
  invalid_request: (place, { issuer }) =>
    `see that the identity provider issues ID-JAGs to the client ${quoted(place.clientId)} for ${issuer}, and takes subject tokens of this type`,
  invalid_target: ({ clientId }, { name, issuer }) =>
    `see that the identity provider knows ${issuer} and resource of downstream.${name}, and that its policies let the client ${quoted(clientId)} and this user reach them`,
  invalid_scope: (_place, { name }) =>
    `see that the policies of the identity provider allow the scopes of downstream.${name}`,
  access_denied: ({ clientId }, { issuer }) =>
    `see that the policies of the identity provider let the client ${quoted(clientId)} reach ${issuer} for this user`,
};

/** What to do if the authorization server of the API does not accept an ID-JAG. */
const WITH_ID_JAG: Advice = {
  invalid_grant: ({ clientId }, { identityProvider }) =>
    `see that this authorization server trusts ${identityProvider?.issuer} as an issuer of ID-JAGs, that these are for the client ${quoted(clientId)}, and that it knows the user`,
  invalid_scope: (_place, { name }) => `see that the API has the scopes of downstream.${name}`,
  invalid_target: (_place, { name }) => `see that this authorization server knows resource of downstream.${name}`,
  invalid_request: (_place, { identityProvider }) =>
    `see that this authorization server accepts ID-JAGs of ${identityProvider?.issuer} as assertions of the grant jwt-bearer`,
  consent_required: () => `let the authorization server of the API accept the consent of the organization`,
};

/** What the operator can do about an error. */
export function adviceFor(error: unknown, api: ResolvedDownstream): string {
  const cause = causeOf(error);
  const isOfProvider = cause !== error;
  const option = isOfProvider ? `downstream.${api.name}.identityProvider` : `downstream.${api.name}`;
  if (cause instanceof TokenRefusedError) {
    const code = cause.suberror === CONSENT ? CONSENT : cause.code;
    return adviceForCode(code, placeOf(api, isOfProvider), api, isOfProvider);
  }
  if (cause instanceof TokenAnswerError) {
    return isOfProvider
      ? 'let the identity provider issue an ID-JAG: issued_token_type urn:ietf:params:oauth:token-type:id-jag, token_type N_A'
      : tokenAdvice(api);
  }
  if (cause instanceof TokenFunctionError) return `let the function ${cause.option} return a token within five seconds`;
  if (cause instanceof ClientSecretError) return `let clientSecret of ${option}.auth return the present secret`;
  return adviceForFailure(cause, 'token') ?? `see that tokenEndpoint of ${option} is right, if it is set`;
}

function placeOf({ name, clientId, grant, identityProvider }: ResolvedDownstream, isOfProvider: boolean): Place {
  if (isOfProvider && identityProvider) {
    const option = `downstream.${name}.identityProvider`;
    return { option, clientId: identityProvider.clientId, grant: 'token-exchange for ID-JAGs' };
  }
  const option = `downstream.${name}`;
  return { option, clientId, grant: grant === 'id-jag' ? 'jwt-bearer for ID-JAGs' : grant };
}

function adviceForCode(written: string, place: Place, api: ResolvedDownstream, isOfProvider: boolean): string {
  const code = written === 'insufficient_scope' ? 'invalid_scope' : written;
  const closer = isOfProvider ? AT_IDENTITY_PROVIDER : api.grant === 'id-jag' ? WITH_ID_JAG : {};
  const advice = [closer, ADVICE].find((one) => Object.hasOwn(one, code))?.[code];
  const general = advice?.(place, api) ?? 'look up this error in the documentation of the authorization server';
  const known = isOfProvider ? undefined : adviceOfProduct(code, api);
  return known === undefined ? general : `${general}. ${known}`;
}

/** What the product in use needs, where it sees the token of the caller. */
function adviceOfProduct(code: string, { grant, issuer }: ResolvedDownstream): string | undefined {
  if (grant !== 'token-exchange' && grant !== 'jwt-bearer') return undefined;
  return exchangeAdviceAfter(code, issuer) ?? (OF_PRODUCT.has(code) ? exchangeAdvice(issuer) : undefined);
}
