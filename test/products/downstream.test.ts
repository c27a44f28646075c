import { afterEach, describe, expect, it } from '@jest/globals';
import {
  auth0,
  cognito,
  descope,
  entraId,
  keycloak,
  logto,
  McpAuthConfigError,
  McpAuthModule,
  okta,
  scalekit,
  stytch,
  supabase,
  workos,
  type DownstreamGrant,
  type McpAuthModuleOptions,
} from 'nestjs-mcp-auth';
import { readOptions } from '../../lib/options/read-options.js';
import { downstreamProductOf } from '../../lib/products/known-products.js';
import { expectProblems, GOOD, start, stop, type Row } from '../options/started-app.js';
import { API, TENANT } from './products.js';

const ISSUERS: Readonly<Record<string, string>> = {
  Auth0: auth0({ domain: 'acme.eu.auth0.com' }).issuer,
  'Auth0 at a custom domain': auth0({ domain: 'login.example.com' }).issuer,
  Keycloak: keycloak({ url: 'https://login.example.com', realm: 'main' }).issuer,
  'Keycloak under a path': keycloak({ url: 'https://login.example.com/auth', realm: 'main' }).issuer,
  'Entra ID': entraId({ tenantId: TENANT }).issuer,
  'Entra ID, version 1': entraId({ tenantId: TENANT, version: 1 }).issuer,
  Okta: okta({ domain: 'acme.okta.com' }).issuer,
  'the org authorization server of Okta': 'https://acme.okta.com',
  Cognito: cognito({ region: 'eu-west-1', userPoolId: 'eu-west-1_abcdefghi' }).issuer,
  Logto: logto({ endpoint: 'https://acme.logto.app' }).issuer,
  WorkOS: workos({ authkitDomain: 'acme.authkit.app' }).issuer,
  Descope: descope({ projectId: 'P2abcdefghijklmnopqrstuvwxyz' }).issuer,
  Stytch: stytch({ domain: 'humble-otter-1234.customers.stytch.com' }).issuer,
  Scalekit: scalekit({ environmentUrl: 'https://acme.scalekit.com', resourceId: 'res_92015146095' }).issuer,
  Supabase: supabase({ projectUrl: 'https://abcdefghijklmnop.supabase.co' }).issuer,
  Google: 'https://accounts.google.com',
  'another product': 'https://login.example.com',
};

const EXCHANGING = ['Auth0', 'Keycloak', 'Keycloak under a path', 'Okta', 'Cognito', 'Logto', 'WorkOS'];

const DEFAULTS: Readonly<Record<string, DownstreamGrant>> = {
  ...Object.fromEntries(EXCHANGING.map((name) => [name, 'token-exchange' as const])),
  'Entra ID': 'jwt-bearer',
  'Entra ID, version 1': 'jwt-bearer',
};

const ENTRY = {
  clientId: API,
  auth: { method: 'client_secret_post', clientSecret: 'canary-secret' },
  scopes: ['api://calendar/Events.Read'],
};

const ID_JAG = {
  grant: 'id-jag',
  identityProvider: {
    ...ENTRY,
    scopes: undefined,
    authorizationServer: 'https://idp.test',
    subjectToken: () => undefined,
  },
};

/** An application whose only issuer is this one, with an API. */
const at = (product: string, changes: object): object => {
  const issuer = ISSUERS[product]!;
  const entry = { ...ENTRY, authorizationServer: issuer, ...changes };
  return { ...GOOD, authorizationServers: [issuer], audience: 'mcp', downstream: { calendar: entry } };
};

interface Outcome {
  readonly grant?: DownstreamGrant;
  readonly warnings?: readonly string[];
  readonly refused?: readonly string[];
}

function outcomeOf(options: object): Outcome {
  try {
    const read = readOptions(options as McpAuthModuleOptions, undefined, downstreamProductOf);
    return { grant: read.downstream[0]!.grant, warnings: read.warnings };
  } catch (error) {
    if (error instanceof McpAuthConfigError) return { refused: error.problems.map(({ option }) => option) };
    throw error;
  }
}

const GRANT = 'downstream["calendar"].grant';

/** What comes of each grant at each product. */
function expectedOf(product: string, grant: string | undefined): Outcome {
  const own = DEFAULTS[product];
  if (grant === undefined) return own ? { grant: own, warnings: [] } : { refused: [GRANT] };
  if (product.startsWith('Entra ID') && grant === 'token-exchange') return { refused: [GRANT] };
  const isForeign = grant === 'jwt-bearer' && own === 'token-exchange';
  const warnings = isForeign ? [expect.stringContaining(`${GRANT} is "jwt-bearer": `) as unknown as string] : [];
  return { grant: grant as DownstreamGrant, warnings };
}

const GRANTS = [undefined, 'token-exchange', 'jwt-bearer', 'id-jag', 'client-credentials'];
const TABLE = Object.keys(ISSUERS).flatMap((product) => GRANTS.map((grant) => [product, grant] as const));

describe('The grant for tokens of other APIs', () => {
  it.each(TABLE)('at %s: %s', (product, grant) => {
    const changes = grant === 'id-jag' ? ID_JAG : { grant };
    expect(outcomeOf(at(product, changes))).toEqual(expectedOf(product, grant));
  });

  it('may be that of another server, for assertions of which the product is not the issuer', () => {
    const options = {
      ...at('Keycloak', { grant: 'jwt-bearer', subjectIssuers: ['https://idp.test'] }),
      authorizationServers: ['https://idp.test'],
    };
    expect(outcomeOf(options)).toEqual({ grant: 'jwt-bearer', warnings: [] });
  });

  it('is not missing where the issuer is', () => {
    const options = {
      ...at('Keycloak', { authorizationServer: undefined }),
      authorizationServers: [ISSUERS['Keycloak'], 'https://other.test'],
    };
    expect(outcomeOf(options)).toEqual({ refused: ['downstream["calendar"].authorizationServer'] });
  });

  it('is refused once if it is none', () => {
    expect(outcomeOf(at('Entra ID', { grant: 'on-behalf-of' }))).toEqual({ refused: [GRANT] });
  });

  it('is that of the entry, whatever else a token endpoint elsewhere has', () => {
    const tokenEndpoint = 'https://gateway.example.com/token';
    const outcome = outcomeOf(at('Entra ID', { grant: 'token-exchange', tokenEndpoint }));
    expect(outcome).toEqual({ grant: 'token-exchange', warnings: [] });
  });
});

const REFUSED: readonly Row[] = [
  [
    'no grant, with no known product',
    at('another product', {}),
    [GRANT, 'nothing', /"https:\/\/login.example.com" issues/],
  ],
  [
    'token exchange at Entra ID',
    at('Entra ID', { grant: 'token-exchange' }),
    [GRANT, '"token-exchange"', /has its on-behalf-of flow instead/],
  ],
  [
    'no scopes at Entra ID',
    at('Entra ID', { scopes: undefined, audience: 'api://calendar' }),
    ['downstream["calendar"].scopes', 'nothing', /requires them: they name the API/],
  ],
  [
    'the resource of another API at Entra ID',
    at('Entra ID', { resource: 'https://calendar.example.com' }),
    ['downstream["calendar"].resource', '"https://calendar.example.com"', /accepts no other API there/],
  ],
  [
    'one resource too many at Entra ID',
    at('Entra ID', { resource: ['api://calendar', 'api://mail'] }),
    ['downstream["calendar"].resource', '["api://calendar","api://mail"]', /accepts no other API there/],
  ],
  [
    '.default beside a scope at Entra ID',
    at('Entra ID', { scopes: ['https://graph.microsoft.com/.default', 'Mail.Read'] }),
    [
      'downstream["calendar"].scopes',
      '["https://graph.microsoft.com/.default","Mail.Read"]',
      /refuses .default together/,
    ],
  ],
  [
    'no scopes at Entra ID, for this server itself',
    at('Entra ID', { grant: 'client-credentials', scopes: undefined, resource: 'api://calendar' }),
    ['downstream["calendar"].scopes', 'nothing', /requires them/],
    ['downstream["calendar"].resource', '"api://calendar"', /accepts no other API/],
  ],
];

const WARNED: readonly [what: string, options: object, warning: string][] = [
  [
    'jwt-bearer at Okta',
    at('Okta', { grant: 'jwt-bearer' }),
    'grant is "jwt-bearer": Okta documents the grant token-exchange for its own tokens, and jwt-bearer at most for assertions of other issuers. Write "token-exchange", or leave it out',
  ],
  [
    'a resource alone at Keycloak',
    at('Keycloak', { resource: 'https://calendar.example.com' }),
    'resource is "https://calendar.example.com": Keycloak does not read it when it exchanges a token, so that it does not limit the APIs of the new one. Write the client ID of the API as audience',
  ],
  [
    'an audience at Entra ID',
    at('Entra ID', { audience: 'calendar' }),
    'audience is "calendar": Entra ID documents no such parameter, and the scopes name the API. Remove it',
  ],
  [
    'the resource that the scopes name at Entra ID',
    at('Entra ID', { resource: 'api://calendar/' }),
    'resource is "api://calendar/": the scopes name the API already, and Entra ID has no need of it. Remove it, and write the scopes of the API with its Application ID URI before each',
  ],
  [
    'scopes of two APIs at Entra ID',
    at('Entra ID', { scopes: ['api://calendar/Events.Read', 'Mail.Read', 'openid'] }),
    'scopes is ["api://calendar/Events.Read","Mail.Read","openid"]: Entra ID issues a token for one API, and these seem to be of api://calendar, https://graph.microsoft.com. Write an entry of downstream for each API',
  ],
];

const ACCEPTED: readonly [what: string, options: object][] = [
  ['an audience at Keycloak', at('Keycloak', { audience: 'calendar', resource: 'https://calendar.example.com' })],
  ['.default at Entra ID', at('Entra ID', { scopes: ['api://calendar/.default', 'offline_access'] })],
  ['two scopes of one API at Entra ID', at('Entra ID', { scopes: ['https://a.test/x', 'https://a.test/y'] })],
  [
    'scopes of Microsoft Graph at Entra ID',
    at('Entra ID', { scopes: ['User.Read', 'https://graph.microsoft.com/Mail.Read'] }),
  ],
  [
    'a resource for version 1 of Entra ID',
    at('Entra ID, version 1', { resource: 'api://calendar', scopes: undefined }),
  ],
  [
    'a resource for the token endpoint of version 1',
    at('Entra ID', {
      resource: 'api://calendar',
      scopes: undefined,
      tokenEndpoint: `https://login.microsoftonline.com/${TENANT}/oauth2/token`,
    }),
  ],
];

describe('What a product documents of tokens for other APIs', () => {
  afterEach(stop);

  it.each(REFUSED)('stops the start: %s', expectProblems);

  it.each(WARNED)('is a warning: %s', (_what, options, warning) => {
    const { warnings } = outcomeOf(options);
    expect(warnings).toEqual([`downstream["calendar"].${warning}`]);
  });

  it.each([
    ['forRoot', (options: object) => McpAuthModule.forRoot(options as McpAuthModuleOptions)],
    [
      'forRootAsync',
      (options: object) => McpAuthModule.forRootAsync({ useFactory: () => options as McpAuthModuleOptions }),
    ],
  ])('is in the log of the start, with %s', async (_name, moduleOf) => {
    const [, options, warning] = WARNED[0]!;
    const { log } = await start(moduleOf(options));
    expect(log).toContainEqual({ level: 'warn', text: `downstream["calendar"].${warning}` });
  });

  it.each(ACCEPTED)('has nothing against %s', (_what, options) => {
    expect(outcomeOf(options)).toMatchObject({ warnings: [] });
  });
});
