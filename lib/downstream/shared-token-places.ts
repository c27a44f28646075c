import { hash } from 'node:crypto';
import type { ResolvedDownstream } from '../options/downstream-options.js';

/** Where replicas keep a token: hashes, of which neither the user nor the API nor the token can be read. */
export interface TokenPlace {
  /** What is forgotten together: the tokens of one principal for one API. */
  readonly owner: string;
  readonly key: string;
}

/** Finds the places of the tokens for one API. Replicas that request other tokens for it look in other places. */
export class TokenPlaces {
  readonly #api: string;

  constructor(api: ResolvedDownstream) {
    this.#api = hashOf(...whatIsRequested(api));
  }

  /** @param principal empty for the tokens of this server itself */
  ownerOf(principal: string): string {
    return hashOf('owner', this.#api, principal);
  }

  /** @param key tells the tokens of callers apart, in the memory of the process */
  placeOf(key: string, principal: string): TokenPlace {
    return { owner: this.ownerOf(principal), key: hashOf('token', this.#api, key) };
  }
}

/** All by which tokens for an API differ, besides the caller. */
function whatIsRequested(api: ResolvedDownstream): unknown[] {
  const { name, grant, issuer, tokenEndpoint, clientId, resources, audiences, scopes, parameters } = api;
  const { subjectIssuers, requireScopes, actorToken, identityProvider, dpop } = api;
  const client = [grant, issuer, tokenEndpoint ?? '', clientId, identityProvider?.issuer, identityProvider?.clientId];
  const target = [resources, audiences, scopes, parameters, requireScopes];
  return ['api', name, client, target, subjectIssuers, actorToken !== undefined, dpop?.thumbprint ?? ''];
}

function hashOf(...parts: readonly unknown[]): string {
  return hash('sha256', JSON.stringify(parts), 'base64url');
}
