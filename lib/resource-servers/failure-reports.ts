import type { JSONWebKeySet } from 'jose';
import type { AuthorizationServerMetadata } from '../issuer/discovery.js';

/**
 * Told about what keeps tokens from being judged, so that the operator hears of it, clients getting a 503; and about what
 * shows that it does not any more.
 */
export interface FailureReports {
  keysFetched(issuer: string, keys: JSONWebKeySet): void;
  keysFailed(issuer: string, error: unknown): void;
  introspectionAnswered(issuer: string, isActive: boolean): void;
  introspectionFailed(issuer: string, error: unknown): void;
  /** Tokens were not asked about, since too many requests are under way. */
  introspectionBusy(issuer: string): void;
  introspectionInactive(issuer: string, inactive: InactiveToken): void;
  /** @param issuer as a token names it, which nobody has verified */
  lookUpFailed(issuer: string, error: unknown): void;
  verifierFailed(error: unknown, token: string): void;
  /** Metadata that clients go by, too, was fetched at the start. */
  metadataFetched(issuer: string, document: AuthorizationServerMetadata): void;
}

/** A token that the authorization server calls inactive. */
export interface InactiveToken {
  /** Whether it is a JWT whose `exp`, which nobody has verified, is still to come. */
  readonly isInTime: boolean;
  /** The client that asked. */
  readonly clientId: string;
}
