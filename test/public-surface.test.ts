import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { builtinModules } from 'node:module';
import { join, normalize, relative } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import {
  folderOf,
  imports,
  isBuiltin,
  isRelative,
  LIB,
  packageOf,
  packagesReached,
  reached,
  ROOT,
  target,
  withoutComments,
} from './support/library-imports.js';

/** What a subpath of the package exports; changing it is a decision, and this list is where it is made. */
interface Surface {
  readonly values: readonly string[];
  readonly types: readonly string[];
}

const SURFACES: Readonly<Record<string, Surface>> = {
  '.': {
    values: [
      'AccessPolicy',
      'AuthInfo',
      'Authorize',
      'DownstreamToken',
      'McpAuthConfigError',
      'McpAuthDownstream',
      'McpAuthDownstreamError',
      'McpAuthConsentError',
      'McpAuthConsentRequiredError',
      'McpAuthConsents',
      'McpAuthError',
      'McpAuthGuard',
      'McpAuthHealthIndicator',
      'McpAuthModule',
      'McpAuthRevocations',
      'McpAuthService',
      'ProtectedResource',
      'Public',
      'RequireAnyScope',
      'RequireAuthentication',
      'RequireProof',
      'RequireScopes',
      'TokenVerifier',
      'auth0',
      'authorizationDetails',
      'authzen',
      'deny',
      'cognito',
      'descope',
      'entraId',
      'formatAccessMap',
      'google',
      'keycloak',
      'logto',
      'mcpAuthConfig',
      'okta',
      'scalekit',
      'stytch',
      'supabase',
      'withOpenApiSecurity',
      'workos',
    ],
    types: [
      'ConsentOptions',
      'ConsentRefusal',
      'ConsentRequest',
      'ConsentTarget',
      'ConsentUser',
      'ConsentedTokenStore',
      'FinishedConsent',
      'OpenedConsent',
      'AccessPolicyClass',
      'AnnotationScopes',
      'AnonymousAccessOptions',
      'AccessMapRow',
      'AnonymousEvent',
      'BackChannelLogoutOptions',
      'ArgumentsOmitted',
      'Denial',
      'DenialDetails',
      'PolicyAnswer',
      'PolicyOption',
      'AuthenticatedEvent',
      'AuthorizationDetail',
      'AuthorizationServerOptions',
      'AuthzenOptions',
      'AuthzenSubject',
      'CacheOptions',
      'CallerProof',
      'CertificateFormat',
      'CertificateHeaderOptions',
      'DpopCallerProof',
      'MutualTlsCallerProof',
      'MutualTlsOptions',
      'CallEnd',
      'CallOutcome',
      'ChallengeForm',
      'ChallengeScopesContext',
      'ChallengeScopesOption',
      'ClaimValues',
      'ClientKeyPair',
      'ClientSecret',
      'CommonOptions',
      'CompletedEvent',
      'ConfigProblem',
      'CredentialCaller',
      'CredentialContext',
      'CredentialOptions',
      'DownstreamGrant',
      'DownstreamHeaders',
      'DownstreamOptions',
      'DownstreamRequest',
      'DownstreamTokenStore',
      'DpopNonceOptions',
      'DpopOptions',
      'EventArgumentsContext',
      'IdentityProviderOptions',
      'IntrospectionAuth',
      'IntrospectionOptions',
      'IssuerHealth',
      'IssuerHealthState',
      'IssuerPart',
      'IssuerPreset',
      'IssuerRecoveredEvent',
      'IssuerUnreachableEvent',
      'KeptDownstreamToken',
      'KeysRefreshedEvent',
      'KindOf',
      'ListingPolicy',
      'McpAuthErrorCode',
      'McpAuthEvent',
      'McpAuthHealth',
      'SessionOptions',
      'SessionOwnerStore',
      'SharedCacheOptions',
      'SharedStoreOption',
      'StoreHealth',
      'StoreRecoveredEvent',
      'StoreUnreachableEvent',
      'SubjectToken',
      'McpAuthInfo',
      'McpAuthModuleExtras',
      'McpAuthModuleOptions',
      'McpAuthReason',
      'McpFramework',
      'McpFrameworkCall',
      'McpFrameworkOperation',
      'McpMessageFacts',
      'OpenApiSecurityOptions',
      'Policy',
      'PolicyContext',
      'PrincipalKind',
      'ProtectedResourceOptions',
      'RedactArguments',
      'RefusedEvent',
      'LogoutClientIds',
      'ReplayStore',
      'RevocationChanges',
      'RevocationHealth',
      'RevocationOptions',
      'RevocationStore',
      'NamedPrincipal',
      'RevocationTarget',
      'RevokedClient',
      'RevokedPrincipal',
      'RevokedSession',
      'RevokedToken',
      'RevokeOptions',
      'RevokedEvent',
      'StoredRevocation',
      'ResolveTenantOption',
      'ResourceMetadataOptions',
      'ResourceVariables',
      'ScopeOptions',
      'ScopesOf',
      'SessionRefusedEvent',
      'StepUpEvent',
      'TokenRequestedEvent',
      'TenantSettings',
      'TenantsOptions',
      'TraceFacts',
      'TrustedIssuerOption',
      'VerifiedToken',
      'VerifierOption',
      'VerifyCredential',
    ],
  },
  './testing': {
    values: [
      'TEST_PROOF_FAULTS',
      'TestCertificate',
      'TestDpopKey',
      'TestIssuer',
      'formatAccessMap',
      'generateTestKey',
      'parseChallenges',
      'symmetricTestKey',
    ],
    types: [
      'AccessMapRow',
      'AnswerIntrospection',
      'AnswerToken',
      'Challenge',
      'MintOptions',
      'RecordedRequest',
      'SignedAnswerChanges',
      'TestAlgorithm',
      'TestEndpoint',
      'TestCertificateConfirmation',
      'TestConfirmation',
      'TestFault',
      'TestIntrospectionOptions',
      'TestTokenEndpointOptions',
      'TestIssuerOptions',
      'TestKey',
      'TestKeyOptions',
      'TestProofFault',
      'TestProofHeaders',
      'TestProofOptions',
      'WellKnownForm',
    ],
  },
  './dev-server': {
    values: ['startDevAuthorizationServer'],
    types: [
      'DevApi',
      'DevAuthorizationServer',
      'DevAuthorizationServerOptions',
      'DevClient',
      'DevIntrospectionClient',
      'DevResource',
      'DevUser',
    ],
  },
  './sdk': {
    values: [
      'Args',
      'McpPrompt',
      'McpResource',
      'McpSdkBridge',
      'McpSdkModule',
      'McpTool',
      'ResourceUri',
      'SdkCall',
      'SdkContext',
    ],
    types: [
      'McpPromptOptions',
      'McpResourceOptions',
      'McpToolOptions',
      'RegisterOptions',
      'SdkRequest',
      'SdkResourceTemplate',
      'SdkServer',
    ],
  },
  './opentelemetry': {
    values: ['McpAuthOpenTelemetryModule'],
    types: ['McpAuthOpenTelemetryOptions'],
  },
  './redis': {
    values: [
      'RedisDownstreamTokenStore',
      'RedisReplayStore',
      'RedisRevocationStore',
      'RedisSessionOwnerStore',
      'RedisStoreError',
      'RedisUnavailableError',
    ],
    types: [
      'IoRedisClient',
      'NodeRedisClient',
      'RedisClient',
      'RedisReplayStoreOptions',
      'RedisSessionOwnerStoreOptions',
      'RedisStoreOptions',
    ],
  },
};

/** Subpaths that promise to need no more than these packages. */
const ONLY_NEEDS: Readonly<Record<string, readonly string[]>> = {
  './testing': ['jose'],
  './dev-server': ['jose', 'oidc-provider'],
};

interface Manifest {
  readonly schematics: string;
  readonly type: string;
  readonly main: string;
  readonly types: string;
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
  readonly typesVersions: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;
  readonly files: readonly string[];
  readonly dependencies: Readonly<Record<string, string>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta: Readonly<Record<string, { readonly optional?: boolean }>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

let manifest: Manifest;

beforeAll(async () => {
  manifest = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as Manifest;
});

/** `./testing` → `testing/index.ts` */
function sourceOf(subpath: string): string {
  return normalize(join(subpath, 'index.ts'));
}

function subpaths(): string[] {
  return Object.keys(manifest.exports).filter((subpath) => subpath !== './package.json');
}

const REEXPORT = /export (type )?\{([^}]*)\} from '[^']+';/g;

/** Names exported by an index file, which holds nothing but re-exports by name. */
async function namesOf(source: string): Promise<Surface> {
  const code = withoutComments(await readFile(join(LIB, source), 'utf8'));
  const values: string[] = [];
  const types: string[] = [];
  for (const [, isType, list = ''] of code.matchAll(REEXPORT)) {
    for (const item of list
      .split(',')
      .map((text) => text.trim())
      .filter(Boolean)) {
      const name = (item.split(' as ').at(-1) as string).replace(/^type /, '');
      (isType || item.startsWith('type ') ? types : values).push(name);
    }
  }
  return { values: values.toSorted(), types: types.toSorted() };
}

describe('the public surface', () => {
  it.each(Object.entries(SURFACES))('is, for %s, exactly what was decided', async (subpath, { values, types }) => {
    expect(await namesOf(sourceOf(subpath))).toEqual({ values: values.toSorted(), types: types.toSorted() });
    const module = (await import(join(LIB, sourceOf(subpath)))) as object;
    expect(Object.keys(module).toSorted()).toEqual(values.toSorted());
  });

  it('consists of named re-exports only', async () => {
    for (const subpath of subpaths().filter((one) => existsSync(join(LIB, sourceOf(one))))) {
      const code = withoutComments(await readFile(join(LIB, sourceOf(subpath)), 'utf8'));
      expect([subpath, code.replace(REEXPORT, '').trim()]).toEqual([subpath, '']);
    }
  });

  it('was decided for every subpath of the package that there is', () => {
    const built = subpaths().filter((subpath) => existsSync(join(LIB, sourceOf(subpath))));
    expect(built.toSorted()).toEqual(Object.keys(SURFACES).toSorted());
  });
});

describe('package.json', () => {
  it('exports each subpath as types and one ES module, built from a file of the same name', () => {
    for (const subpath of subpaths()) {
      const built = `./${join('dist', subpath, 'index')}`;
      expect([subpath, manifest.exports[subpath]]).toEqual([
        subpath,
        { types: `${built}.d.ts`, default: `${built}.js` },
      ]);
      // Conditions are taken in order.
      expect(Object.keys(manifest.exports[subpath] as object)).toEqual(['types', 'default']);
    }
    expect(manifest.type).toBe('module');
    expect(manifest.exports['./package.json']).toBe('./package.json');
  });

  it('says the same to those who read no exports', () => {
    expect([`./${normalize(manifest.main)}`, `./${normalize(manifest.types)}`]).toEqual([
      './dist/index.js',
      './dist/index.d.ts',
    ]);
    const others = subpaths().filter((subpath) => subpath !== '.');
    const expected = others.map((subpath) => [relative('.', subpath), [join('dist', subpath, 'index.d.ts')]]);
    expect(manifest.typesVersions).toEqual({ '*': Object.fromEntries(expected) });
  });

  it('publishes what was built, and no sources', () => {
    expect(manifest.files).toEqual(['dist', 'schematics', 'README.md', 'CHANGELOG.md', 'LICENSE']);
    expect(manifest.schematics).toBe('./schematics/collection.json');
    expect(manifest.files.filter((name) => /^(?:lib|test|sample|bench|lab|scripts)\b/.test(name))).toEqual([]);
  });

  it('declares every package that lib imports', () => {
    const declared = new Set([...Object.keys(manifest.dependencies), ...Object.keys(manifest.peerDependencies)]);
    const undeclared = imports.filter(
      (one) => !isRelative(one) && !isBuiltin(one) && !declared.has(packageOf(one.specifier)),
    );
    expect(undeclared).toEqual([]);
  });

  it('declares no package that lib does not import', () => {
    const imported = new Set(imports.map(({ specifier }) => packageOf(specifier)));
    const declared = [...Object.keys(manifest.dependencies), ...Object.keys(manifest.peerDependencies)];
    expect(declared.filter((name) => !imported.has(name))).toEqual([]);
  });

  it('declares each package once, and those of the application as peers that are there for development too', () => {
    const { dependencies, peerDependencies, devDependencies } = manifest;
    expect(Object.keys(dependencies).filter((name) => name in peerDependencies || name in devDependencies)).toEqual([]);
    expect(Object.keys(peerDependencies).filter((name) => !(name in devDependencies))).toEqual([]);
    // A second copy of these would be another set of classes and metadata than the application's.
    const shared = ['@nestjs/common', '@nestjs/core', '@nestjs/config', 'reflect-metadata', 'rxjs'];
    expect(shared.filter((name) => !(name in peerDependencies))).toEqual([]);
  });

  it('has optional peers that the main entry and the test tools do without', () => {
    const optional = Object.entries(manifest.peerDependenciesMeta)
      .filter(([, meta]) => meta.optional)
      .map(([name]) => name);
    expect(optional).toEqual(expect.arrayContaining(['@opentelemetry/api', 'oidc-provider']));
    for (const entry of ['index.ts', 'sdk/index.ts', 'testing/index.ts']) {
      expect([entry, packagesReached(entry).filter((name) => optional.includes(name))]).toEqual([entry, []]);
    }
  });
});

describe('the house', () => {
  it('was read: the imports of lib are known', () => {
    expect(imports).toContainEqual({ file: 'mcp-auth.guard.ts', specifier: '@nestjs/common' });
    expect(imports).toContainEqual({ file: 'handlers/handler-declaration.ts', specifier: 'reflect-metadata' });
    expect(imports).toContainEqual({ file: 'dev-server/oidc-provider.ts', specifier: 'oidc-provider' });
    expect(imports).toContainEqual({ file: 'index.ts', specifier: './mcp-auth.module.js' });
    expect(imports.length).toBeGreaterThan(100);
  });

  it('names relative imports as Node finds them, and builtins as such', () => {
    const files = new Set(imports.map(({ file }) => file));
    const lost = imports.filter(
      (one) =>
        isRelative(one) &&
        !(one.specifier.endsWith('.js') && (files.has(target(one)) || existsSync(join(LIB, target(one))))),
    );
    expect(lost).toEqual([]);
    expect(imports.filter(({ specifier }) => builtinModules.includes(specifier))).toEqual([]);
  });

  it('keeps the schematics free of all packages: they run in the Nest CLI, maybe before the peers are installed', () => {
    const files = [...reached('schematics/nest-add.ts')];
    expect(packagesReached('schematics/nest-add.ts')).toEqual([]);
    expect(files.filter((file) => folderOf(file) !== 'schematics')).toEqual(['options/variables.ts']);
  });

  it('imports no MCP framework and no HTTP platform', () => {
    const forbidden =
      /^(?:@rekog\/|@modelcontextprotocol\/|@nestjs\/(?!common$|core$|config$)|express|fastify|@fastify\/)/;
    expect(imports.filter(({ specifier }) => forbidden.test(specifier))).toEqual([]);
  });

  it.each(Object.entries(ONLY_NEEDS))('keeps the promise of %s to need nothing but %j', (subpath, packages) => {
    expect(packagesReached(sourceOf(subpath)).filter((name) => !packages.includes(name))).toEqual([]);
    const folders = new Set([...reached(sourceOf(subpath))].map(folderOf));
    expect([...folders].filter((folder) => folder !== relative('.', subpath) && folder !== 'core')).toEqual([]);
  });
});
