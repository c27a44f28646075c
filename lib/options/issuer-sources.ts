import type { JSONWebKeySet } from 'jose';
import { isRecord, ownMember } from '../core/record.js';
import type { KeySource, MetadataSource } from '../issuer/authorization-server.js';
import type { AuthorizationServerMetadata, Discovery, TransformMetadata } from '../issuer/discovery.js';
import type { ResolvedIntrospection } from './introspection-options.js';
import { optional, type OptionReader, type OptionReaders, type OptionsRead } from './option-reader.js';
import { readUrl } from './url-option.js';

/** The sources of an authorization server's metadata and keys. */
export interface IssuerSources {
  readonly metadata: MetadataSource;
  /** The members of the metadata that are needed, since no other option gives their value. */
  readonly metadataMembers: readonly string[];
  readonly keys: KeySource;
}

/** The options of an authorization server that name these sources. */
export const SOURCE_OPTIONS = {
  discovery: readDiscovery,
  metadata: optional(readMetadata),
  transformMetadata: (option) =>
    option.function<TransformMetadata>('Write a function of the document that returns another'),
  jwksUri: optional(readUrl),
  jwks: optional(readKeySet),
} satisfies OptionReaders;

type SourceOptions = OptionsRead<typeof SOURCE_OPTIONS>;

/** The sources that the options of a server name, checked against its issuer and its introspection. */
export function issuerSourcesOf(
  option: OptionReader,
  given: SourceOptions,
  issuer: string,
  introspection: ResolvedIntrospection | undefined,
): IssuerSources {
  const keys = keySourceOf(given);
  const metadataMembers = metadataMembersNeeded(keys, introspection);
  refuseSeveralKeySources(option);
  refuseUnusedTransform(option, given, metadataMembers);
  refuseUnusedDiscovery(option);
  if (given.metadata) {
    requireMetadataOf(issuer, option.at('metadata').withValue(given.metadata), metadataMembers);
  }
  return { metadata: metadataSourceOf(given), metadataMembers, keys };
}

/** The URL of a server's keys; undefined if the options do not name it. */
export function jwksUriOf({ keys, metadata }: IssuerSources): string | undefined {
  if (keys.kind === 'jwks') return keys.uri;
  const uri = metadata.kind === 'static' ? ownMember(metadata.document, 'jwks_uri') : undefined;
  return typeof uri === 'string' ? uri : undefined;
}

function keySourceOf({ jwks, jwksUri }: SourceOptions): KeySource {
  if (jwks !== undefined) return { kind: 'static', jwks };
  if (jwksUri !== undefined) return { kind: 'jwks', uri: jwksUri };
  return { kind: 'metadata' };
}

function metadataSourceOf({ metadata, discovery, transformMetadata }: SourceOptions): MetadataSource {
  if (metadata !== undefined) return { kind: 'static', document: metadata };
  return { kind: 'discovery', discovery, transform: transformMetadata };
}

function metadataMembersNeeded(keys: KeySource, introspection: ResolvedIntrospection | undefined): string[] {
  const needsKeys = introspection === undefined || introspection.signed;
  return [
    ...(needsKeys && keys.kind === 'metadata' ? ['jwks_uri'] : []),
    ...(introspection && introspection.endpoint === undefined ? ['introspection_endpoint'] : []),
  ];
}

function refuseSeveralKeySources(option: OptionReader): void {
  const sources = ['jwks', 'jwksUri', 'discovery'];
  if (sources.filter((name) => option.at(name).isGiven).length <= 1) return;
  const why = 'the keys can come from one place only';
  option.refuse({ seen: `several of ${sources.join(', ')}`, why, write: 'Keep one of them' });
}

function refuseUnusedTransform(option: OptionReader, given: SourceOptions, needed: readonly string[]): void {
  const isUnused = option.at('metadata').isGiven || needed.length === 0;
  if (!given.transformMetadata || !isUnused) return;
  const why = 'no metadata is asked for, so it has no effect';
  option.at('transformMetadata').refuse({ why, write: 'Remove it' });
}

function refuseUnusedDiscovery(option: OptionReader): void {
  const discovery = option.at('discovery');
  if (!discovery.isGiven || !option.at('metadata').isGiven) return;
  const why = 'the metadata is given, so none is fetched';
  discovery.refuse({ seen: 'metadata too', why, write: 'Keep one of the two' });
}

function requireMetadataOf(issuer: string, metadata: OptionReader, needed: readonly string[]): void {
  const named = metadata.at('issuer');
  if (named.value !== issuer && issuer !== '') {
    const why = `the issuer of this server is "${issuer}" (RFC 8414 §3.3)`;
    named.refuse({ why, write: 'Write the metadata of that issuer' });
  }
  for (const member of needed) readUrl(metadata.at(member));
}

function readDiscovery(option: OptionReader): Discovery {
  const { value } = option;
  if (value === undefined) return 'auto';
  if (value === 'auto' || value === 'oauth' || value === 'oidc') return value;
  if (isRecord(value) && Object.keys(value).join() === 'url') return { url: readUrl(option.at('url')) };
  option.refuse({ why: 'is not a known value', write: 'Write "auto", "oauth", "oidc" or { url: "https://…" }' });
  return 'auto';
}

function readMetadata(option: OptionReader): AuthorizationServerMetadata | undefined {
  const document = isRecord(option.value) ? option.json() : option.value;
  if (isRecord(document)) return document;
  const isReported = document === undefined;
  if (!isReported) option.refuse({ why: 'must be an object', write: 'Write the metadata as the server publishes it' });
  return undefined;
}

function readKeySet(option: OptionReader): JSONWebKeySet {
  const keys = option
    .at('keys')
    .entries()
    .map(({ value }) => value);
  if (keys.length === 0 || !keys.every(isRecord)) {
    const write = 'Write { keys: [ …public keys… ] }';
    option.refuse({ seen: 'something else', why: 'must be a JSON Web Key Set', write });
    return { keys: [] };
  }
  if (keys.some((key) => key['kty'] === 'oct' || key['d'] !== undefined)) {
    const write = 'Remove what is not public';
    option.refuse({ seen: 'a secret or private key', why: 'only public keys belong here', write });
  }
  return option.withValue({ keys }).json() as JSONWebKeySet;
}
