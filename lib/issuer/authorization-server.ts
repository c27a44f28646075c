import type { JSONWebKeySet } from 'jose';
import { discover, MetadataError, type AuthorizationServerMetadata, type Discovery } from './discovery.js';
import { RemoteKeySet, type RemoteKeySetTimes, StaticKeySet, type KeySet } from './keys.js';
import { fetchJsonObject, type OutboundLimits } from './outbound.js';

/** Where the keys of an issuer come from. */
export type KeySource =
  | { readonly kind: 'static'; readonly jwks: JSONWebKeySet }
  | { readonly kind: 'jwks'; readonly uri: string }
  | { readonly kind: 'discovery'; readonly discovery: Discovery; readonly allowInsecureHttp: boolean };

export const OUTBOUND_LIMITS: OutboundLimits = { timeoutMs: 5_000, maxBytes: 1_048_576 };

/** Makes the key set of one issuer. Opens no connection: that happens when the first token comes. */
export function keySetOf(
  issuer: string,
  source: KeySource,
  { now, onFailure, limits = OUTBOUND_LIMITS, times }: {
    readonly now: () => number;
    readonly onFailure: (error: unknown) => void;
    readonly limits?: OutboundLimits;
    readonly times?: RemoteKeySetTimes;
  },
): KeySet {
  if (source.kind === 'static') return new StaticKeySet(source.jwks);
  const load =
    source.kind === 'jwks'
      ? (): Promise<JSONWebKeySet> => fetchKeys(source.uri, limits)
      : discoveredKeys(issuer, source, limits);
  return new RemoteKeySet(load, now, onFailure, times);
}

/** Finds the `jwks_uri` once, and again after its keys could not be had: the server may have moved them. */
function discoveredKeys(
  issuer: string,
  { discovery, allowInsecureHttp }: Extract<KeySource, { kind: 'discovery' }>,
  limits: OutboundLimits,
): () => Promise<JSONWebKeySet> {
  let metadata: AuthorizationServerMetadata | undefined;
  return async () => {
    metadata ??= await discover(issuer, discovery, { ...limits, allowInsecureHttp });
    try {
      return await fetchKeys(metadata.jwks_uri, limits);
    } catch (error) {
      metadata = undefined;
      throw error;
    }
  };
}

async function fetchKeys(uri: string, limits: OutboundLimits): Promise<JSONWebKeySet> {
  const { keys } = await fetchJsonObject(uri, limits);
  if (!Array.isArray(keys)) throw new MetadataError(`GET ${uri}: the body is no JSON Web Key Set (RFC 7517 §5)`);
  return { keys } as JSONWebKeySet;
}
