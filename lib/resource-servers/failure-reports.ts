import type { JSONWebKeySet } from 'jose';
import type { AuthorizationServerMetadata } from '../issuer/discovery.js';

/**
 * Reports why tokens cannot be verified, so that the operator learns why clients get a 503. Also reports when it works again.
 */
export interface FailureReports {
  keysFetched(issuer: string, keys: JSONWebKeySet): void;
  keysFailed(issuer: string, error: unknown): void;
  introspectionAnswered(issuer: string, isActive: boolean): void;
  introspectionFailed(issuer: string, error: unknown): void;
  /** Tokens were not introspected, since too many requests are under way. */
  introspectionBusy(issuer: string): void;
  introspectionInactive(issuer: string, inactive: InactiveToken): void;
  /** @param issuer from an unverified token */
  lookUpFailed(issuer: string, error: unknown): void;
  /** @param identifier of the tenant that was asked for */
  tenantLookUpFailed(identifier: string, error: unknown): void;
  /** Two tenants accept the same tokens: they have an audience and an issuer in common. */
  tenantsShareTokens(identifier: string, other: string): void;
  verifierFailed(error: unknown, token: string): void;
  /** @param name of the credential in the options */
  credentialFailed(name: string, error: unknown, credential: string): void;
  /** Metadata that clients also use was fetched at the start. */
  metadataFetched(issuer: string, document: AuthorizationServerMetadata): void;
}

/** A token that the authorization server calls inactive. */
export interface InactiveToken {
  /** Whether it is a JWT with an `exp` in the future, which is not verified. */
  readonly isInTime: boolean;
  /** The client id that this server used for the introspection. */
  readonly clientId: string;
}
