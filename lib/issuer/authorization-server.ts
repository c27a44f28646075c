import type { JSONWebKeySet } from 'jose';
import { isRecord, ownMember } from '../core/record.js';
import { DiscoveredMetadata } from './discovered-metadata.js';
import {
  discover,
  endpointIn,
  MetadataError,
  MetadataUnavailableError,
  type AuthorizationServerMetadata,
  type Discovery,
  type TransformMetadata,
} from './discovery.js';
import type { KeySet } from './key-set.js';
import { fetchJsonObject, type Outbound, type OutboundLimits } from './outbound.js';
import type { Purpose } from './purpose.js';
import { RemoteKeySet, type RemoteKeySetTimes } from './remote-key-set.js';
import { StaticKeySet } from './static-key-set.js';

/** Where the metadata of an authorization server comes from. */
export type MetadataSource =
  | { readonly kind: 'static'; readonly document: AuthorizationServerMetadata }
  | { readonly kind: 'discovery'; readonly discovery: Discovery; readonly transform: TransformMetadata | undefined };

/** Where the keys of an issuer come from. */
export type KeySource =
  | { readonly kind: 'static'; readonly jwks: JSONWebKeySet }
  | { readonly kind: 'jwks'; readonly uri: string }
  /** The `jwks_uri` of the metadata. */
  | { readonly kind: 'metadata' };

export const OUTBOUND_LIMITS: OutboundLimits = { timeoutMs: 5_000, maxBytes: 1_048_576 };

/** The settings of one authorization server. */
export interface AuthorizationServerSettings {
  readonly issuer: string;
  readonly metadata: MetadataSource;
  readonly keys: KeySource;
  /** Whether discovered endpoints may use plain http beyond loopback. */
  readonly allowInsecureHttp: boolean;
}

/**
 * The metadata and the keys of one authorization server, each fetched once for all callers. Opens no connection before one of
 * them is requested.
 */
export class AuthorizationServer {
  readonly keys: KeySet;
  readonly #metadata: DiscoveredMetadata;

  constructor(
    private readonly settings: AuthorizationServerSettings,
    {
      now,
      outbound,
      onKeysFailure,
      onKeysFetched,
      times,
    }: {
      readonly now: () => number;
      readonly outbound: Outbound;
      readonly onKeysFailure: (error: unknown) => void;
      readonly onKeysFetched?: (jwks: JSONWebKeySet) => void;
      readonly times?: RemoteKeySetTimes;
    },
  ) {
    this.#metadata = new DiscoveredMetadata(() => this.#find(outbound), now);
    this.keys = this.#keySet((load) => new RemoteKeySet(load, now, onKeysFailure, times, onKeysFetched), outbound);
  }

  /** @throws {OutboundError} when the metadata cannot be fetched, {@link MetadataError} when it cannot be used. */
  metadata(purpose: Purpose): Promise<AuthorizationServerMetadata> {
    return this.#metadata.document(purpose);
  }

  /**
   * The URL of an endpoint, from the metadata.
   *
   * @param showsCertificate whether this server shows a certificate there: then an alias counts (RFC 8705 §5)
   * @throws {MetadataUnavailableError} when the metadata cannot be fetched, or does not name a URL that may be used.
   */
  async endpoint(member: string, purpose: Purpose, showsCertificate = false): Promise<string> {
    const { issuer, allowInsecureHttp, metadata } = this.settings;
    const isConfigured = metadata.kind === 'static';
    try {
      const document = await this.metadata(purpose);
      const names = showsCertificate ? withAliases(document, member) : document;
      return endpointIn(names, member, issuer, allowInsecureHttp, isConfigured);
    } catch (cause) {
      throw new MetadataUnavailableError(cause);
    }
  }

  /** Makes the next request fetch the metadata again, since a URL in it no longer works. */
  forgetMetadata(): void {
    this.#metadata.forget();
  }

  async #find(outbound: Outbound): Promise<AuthorizationServerMetadata> {
    const { issuer, metadata } = this.settings;
    if (metadata.kind === 'static') return metadata.document;
    return discover(issuer, metadata.discovery, outbound, metadata.transform);
  }

  #keySet(remote: (load: (purpose: Purpose) => Promise<JSONWebKeySet>) => KeySet, outbound: Outbound): KeySet {
    const { keys } = this.settings;
    if (keys.kind === 'static') return new StaticKeySet(keys.jwks);
    if (keys.kind === 'jwks') return remote(() => fetchKeys(keys.uri, outbound));
    return remote((purpose) => this.#discoveredKeys(purpose, outbound));
  }

  /** Forgets the metadata after a failed fetch of the keys: the server may have moved them. */
  async #discoveredKeys(purpose: Purpose, outbound: Outbound): Promise<JSONWebKeySet> {
    const uri = await this.endpoint('jwks_uri', purpose);
    try {
      return await fetchKeys(uri, outbound);
    } catch (error) {
      this.forgetMetadata();
      throw error;
    }
  }
}

/** What names an endpoint for clients with a certificate: the aliases, or the metadata itself if these do not have it. */
function withAliases(document: AuthorizationServerMetadata, member: string): AuthorizationServerMetadata {
  const aliases = ownMember(document, 'mtls_endpoint_aliases');
  return isRecord(aliases) && ownMember(aliases, member) !== undefined ? aliases : document;
}

async function fetchKeys(uri: string, outbound: Outbound): Promise<JSONWebKeySet> {
  const { keys } = await fetchJsonObject(uri, outbound);
  if (!Array.isArray(keys)) throw new MetadataError(`GET ${uri}: the body is not a JSON Web Key Set (RFC 7517 §5)`);
  return { keys } as JSONWebKeySet;
}
