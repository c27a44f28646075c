import { readdir, readFile } from 'node:fs/promises';
import { expect, it } from '@jest/globals';
import { AUTHORIZATION_SERVER_OPTIONS, CLAIM_OPTIONS } from '../../lib/options/authorization-server-options.js';
import { CACHE_OPTIONS } from '../../lib/options/cache-options.js';
import { COMMON_OPTIONS } from '../../lib/options/common-options.js';
import { CONSENT_OPTIONS } from '../../lib/options/consent-options.js';
import { CREDENTIAL_OPTIONS } from '../../lib/options/credential-options.js';
import { DOWNSTREAM_OPTIONS } from '../../lib/options/downstream-options.js';
import { DPOP_OPTIONS } from '../../lib/options/dpop-options.js';
import { CERTIFICATE_HEADER_OPTIONS, MUTUAL_TLS_OPTIONS } from '../../lib/options/mutual-tls-options.js';
import { IDENTITY_PROVIDER_OPTIONS } from '../../lib/options/identity-provider-options.js';
import { INTROSPECTION_OPTIONS } from '../../lib/options/introspection-options.js';
import { OPENTELEMETRY_OPTIONS } from '../../lib/options/opentelemetry-options.js';
import { OptionReader, type OptionReaders, type ReadOption } from '../../lib/options/option-reader.js';
import { BACK_CHANNEL_LOGOUT_OPTIONS, REVOCATION_OPTIONS } from '../../lib/options/revocation-options.js';
import { REDIS_REPLAY_STORE_OPTIONS, REDIS_SESSION_OWNER_STORE_OPTIONS } from '../../lib/options/redis-options.js';
import { RESOURCE_OPTIONS } from '../../lib/options/resource-options.js';
import { SHARED_CACHE_OPTIONS } from '../../lib/options/shared-cache-option.js';
import { SESSION_OPTIONS } from '../../lib/options/session-options.js';
import { SCOPE_OPTIONS } from '../../lib/options/scope-options.js';
import { TENANTS_OPTIONS } from '../../lib/options/template-options.js';
import { VARIABLES } from '../../lib/options/variables.js';
import { readVerifier } from '../../lib/options/verifier-option.js';

const root = new URL('../../', import.meta.url);
const read = (path: string): Promise<string> => readFile(new URL(path, root), 'utf8');
const page = await read('docs/options.md');

/** Interfaces whose members are options. */
interface Section {
  readonly file: string;
  readonly name: string;
  /** What the page writes before the name of a member; undefined where the page has no rows for them. */
  readonly prefix: string | undefined;
  /** How the members are read; none where each is published as it is. */
  readonly readers: OptionReaders;
}

const SECTIONS: readonly Section[] = [
  { file: 'resource-options', name: 'ProtectedResourceOptions', prefix: '', readers: RESOURCE_OPTIONS },
  {
    file: 'authorization-server-options',
    name: 'AuthorizationServerOptions',
    prefix: '',
    readers: AUTHORIZATION_SERVER_OPTIONS,
  },
  { file: 'dpop-options', name: 'DpopOptions', prefix: 'dpop.', readers: DPOP_OPTIONS },
  { file: 'revocation-options', name: 'RevocationOptions', prefix: 'revocation.', readers: REVOCATION_OPTIONS },
  { file: 'mutual-tls-options', name: 'MutualTlsOptions', prefix: 'mutualTls.', readers: MUTUAL_TLS_OPTIONS },
  {
    file: 'mutual-tls-options',
    name: 'CertificateHeaderOptions',
    prefix: 'mutualTls.certificate.',
    readers: CERTIFICATE_HEADER_OPTIONS,
  },
  {
    file: 'revocation-options',
    name: 'BackChannelLogoutOptions',
    prefix: 'revocation.backChannelLogout.',
    readers: BACK_CHANNEL_LOGOUT_OPTIONS,
  },
  { file: 'consent-options', name: 'ConsentOptions', prefix: 'consent.', readers: CONSENT_OPTIONS },
  { file: 'template-options', name: 'TenantsOptions', prefix: 'tenants.', readers: TENANTS_OPTIONS },
  { file: 'scope-options', name: 'ScopeOptions', prefix: 'scopes.', readers: SCOPE_OPTIONS },
  { file: 'resource-metadata-options', name: 'ResourceMetadataOptions', prefix: 'metadata.', readers: {} },
  { file: 'common-options', name: 'CommonOptions', prefix: '', readers: { ...COMMON_OPTIONS, verifier: readVerifier } },
  { file: 'introspection-options', name: 'IntrospectionOptions', prefix: '', readers: INTROSPECTION_OPTIONS },
  { file: 'downstream-options', name: 'DownstreamOptions', prefix: 'downstream.', readers: DOWNSTREAM_OPTIONS },
  {
    file: 'identity-provider-options',
    name: 'IdentityProviderOptions',
    prefix: 'downstream.identityProvider.',
    readers: IDENTITY_PROVIDER_OPTIONS,
  },
  {
    file: 'shared-cache-option',
    name: 'SharedCacheOptions',
    prefix: 'downstream.sharedCache.',
    readers: SHARED_CACHE_OPTIONS,
  },
  { file: 'cache-options', name: 'CacheOptions', prefix: undefined, readers: CACHE_OPTIONS },
  { file: 'credential-options', name: 'CredentialOptions', prefix: undefined, readers: CREDENTIAL_OPTIONS },
  {
    file: 'redis-options',
    name: 'RedisStoreOptions',
    prefix: undefined,
    readers: REDIS_REPLAY_STORE_OPTIONS,
  },
  {
    file: 'redis-options',
    name: 'RedisReplayStoreOptions',
    prefix: undefined,
    readers: REDIS_REPLAY_STORE_OPTIONS,
  },
  {
    file: 'redis-options',
    name: 'RedisSessionOwnerStoreOptions',
    prefix: undefined,
    readers: REDIS_SESSION_OWNER_STORE_OPTIONS,
  },
  { file: 'session-options', name: 'SessionOptions', prefix: undefined, readers: SESSION_OPTIONS },
  {
    file: 'opentelemetry-options',
    name: 'McpAuthOpenTelemetryOptions',
    prefix: undefined,
    readers: OPENTELEMETRY_OPTIONS,
  },
];

interface DocumentedOption {
  readonly name: string;
  /** What stands behind `@default`. */
  readonly documented: string | undefined;
}

/** The members of an interface, as they stand in the source, with their documentation. */
function membersIn(source: string, name: string, indent = '  '): DocumentedOption[] {
  const outer = indent.slice(2);
  const head = `${outer}(?:export interface ${name} (?:extends \\w+ )?|${name}\\?: )`;
  const body = new RegExp(`^${head}\\{\\n([^]*?)^${outer}\\}`, 'm').exec(source)![1]!;
  const member = new RegExp(`^${indent}(?:/\\*\\*((?:(?!\\*/)[^])*)\\*/\\n${indent})?(\\w+)\\??:`, 'gm');
  return [...body.matchAll(member)].map(([, comment = '', option]) => ({
    name: option!,
    documented: /@default ([^]*?)(?=@|$)/.exec(comment.replaceAll(/\s*\n\s*\*\s*/g, ' '))?.[1]?.trim(),
  }));
}

/** Name and default of each row that has them. */
const rows = [...page.matchAll(/^\| `([\w.]+)` \| ([^|]*) \|/gm)].map(([, name, written]) => ({
  name: name!,
  written: written!,
}));
const rowNames = rows.map(({ name }) => name);
const sections = await Promise.all(
  SECTIONS.map(async ({ file, ...section }) => {
    const options = membersIn(await read(`lib/options/${file}.ts`), section.name);
    return { ...section, options };
  }),
);
const onPage = sections
  .filter(({ prefix }) => prefix !== undefined)
  .map(({ name, prefix, options }) => ({ name, options: options.map((option) => prefix + option.name) }));

it.each(onPage)('docs/options.md: has a row for each member of $name', ({ options }) => {
  expect(options.length).toBeGreaterThan(1);
  expect(options.filter((option) => !rowNames.includes(option))).toEqual([]);
});

it('docs/options.md: has rows for options only', () => {
  const known = new Set([...onPage.flatMap(({ options }) => options), 'resources', 'globalGuard']);
  expect(rowNames.filter((name) => !name.startsWith('MCP_AUTH_') && !known.has(name))).toEqual([]);
});

it('docs/options.md: names every environment variable with its option', () => {
  const named = [...page.matchAll(/^\| `(MCP_AUTH_\w+)` \| `(.+)` \|$/gm)].map(([, name, option]) => ({
    name,
    option,
  }));
  expect(named).toEqual(VARIABLES.map(({ name, option }) => ({ name, option })));
});

/** What an option is where it is left out; or that it cannot be left out. */
type Default = { readonly value: unknown } | 'required';

function defaultOf(readOption: ReadOption): Default {
  const option = OptionReader.of(undefined, 'option');
  const value = readOption(option);
  return option.problems.length > 0 ? 'required' : { value };
}

/** The default as documentation writes it; undefined where it takes words to say, as there is none or it depends on others. */
function textOf(value: unknown): string | undefined {
  if (typeof value === 'function') return textOf((value as (request: unknown) => unknown)({}));
  if (Array.isArray(value)) return value.length > 0 ? value.join(', ') : undefined;
  return typeof value === 'object' || value === undefined ? undefined : String(value as string | number | boolean);
}

/** Without what marks a value as one in TypeScript or Markdown. */
const plain = (text: string): string => text.replaceAll(/[`'[\]]/g, '');
const LITERAL = /^`?(?:['[{\d]|true\b|false\b)/;

const readable = sections.flatMap(({ name: section, prefix, options, readers }) =>
  options
    .filter(({ name }) => name in readers && name !== 'cache')
    .map((option) => ({ ...option, section, prefix, default: defaultOf(readers[option.name]!) })),
);
const claims = membersIn(await read('lib/options/authorization-server-options.ts'), 'claims', '    ').map((option) => ({
  ...option,
  section: 'claims',
  default: defaultOf(CLAIM_OPTIONS[option.name as keyof typeof CLAIM_OPTIONS]),
}));

it.each([...readable, ...claims])('$section documents the default of $name that the code has', (option) => {
  if (option.default === 'required') return expect(option.documented).toBeUndefined();
  const text = textOf(option.default.value);
  if (text === undefined) return expect(option.documented ?? 'none').not.toMatch(LITERAL);
  expect(plain(option.documented!)).toBe(text);
});

it.each(readable.filter(({ prefix }) => prefix !== undefined))(
  'docs/options.md: has the default of $name of $section that the code has',
  (option) => {
    const { written } = rows.find(({ name }) => name === option.prefix! + option.name)!;
    if (option.default === 'required') return expect(written).toBe('required');
    const { value } = option.default;
    const text = Array.isArray(value) ? undefined : textOf(value);
    if (text === undefined) return expect(written).not.toMatch(LITERAL);
    expect(plain(written)).toBe(text);
  },
);

it('documents the default of the cache that the code has', () => {
  const option = OptionReader.of(undefined);
  const { maxEntries, ttlSeconds } = option.section(CACHE_OPTIONS);
  expect(COMMON_OPTIONS.cache(option)).toEqual({ maxEntries, jwtSeconds: ttlSeconds, customSeconds: 0 });
  const { documented } = sections
    .find(({ name }) => name === 'CommonOptions')!
    .options.find(({ name }) => name === 'cache')!;
  expect(documented).toBe(`{ maxEntries: ${maxEntries}, ttlSeconds: ${ttlSeconds} }`);
  const row = rows.find(({ name }) => name === 'cache')!;
  expect(row.written).toBe(`${maxEntries.toLocaleString('en')} for ${ttlSeconds} s`);
});

it('the variables that are numbers have the default as their example', () => {
  const numbers = VARIABLES.filter(({ form }) => form === 'number');
  expect(numbers).toHaveLength(2);
  for (const { option, example } of numbers) {
    expect({ value: Number(example) }).toEqual(defaultOf(COMMON_OPTIONS[option as keyof typeof COMMON_OPTIONS]));
  }
});

it('the sidebar of the site has every guide', async () => {
  const config = await read('docs/.vitepress/config.ts');
  const guides = (await readdir(new URL('docs/guides/', root))).map(
    (file) => `/guides/${file.slice(0, -'.md'.length)}`,
  );
  expect(guides.filter((guide) => !config.includes(`link: '${guide}'`))).toEqual([]);
});
