import { describe, expect, it } from '@jest/globals';
import {
  auth0,
  cognito,
  descope,
  entraId,
  keycloak,
  logto,
  McpAuthConfigError,
  okta,
  scalekit,
  stytch,
  supabase,
  workos,
} from 'nestjs-mcp-auth';
import { TENANT, STYTCH_PROJECT } from './products.js';

describe('arguments of presets', () => {
  const REFUSED: [name: string, call: () => unknown, message: RegExp][] = [
    [
      'a URL for a domain',
      () => auth0({ domain: 'https://acme.eu.auth0.com/' }),
      /auth0\(\)\.domain: saw "https:\/\/acme\.eu\.auth0\.com\/"; it is a URL.* Write "acme\.eu\.auth0\.com"/,
    ],
    [
      'a domain with a path',
      () => workos({ authkitDomain: 'acme.authkit.app/oauth2' }),
      /workos\(\)\.authkitDomain.*must be a host name/,
    ],
    ['a domain in upper case', () => stytch({ domain: 'Login.example.com' }), /must be a host name in lower case/],
    [
      'a missing domain',
      () => auth0({} as never),
      /auth0\(\)\.domain: saw nothing; it is required.*"acme\.eu\.auth0\.com"/,
    ],
    ['no arguments at all', () => auth0(undefined as never), /auth0\(\)\.domain: saw nothing/],
    [
      'an issuer for the arguments',
      () => auth0('https://acme.eu.auth0.com/' as never),
      /auth0\(\): saw "https:.*must be an object/,
    ],
    [
      'a misspelt argument',
      () => okta({ domain: 'acme.okta.com', serverId: 'x' } as never),
      /okta\(\)\.serverId: saw a value; there is no such option here.*authorizationServerId/,
    ],
    [
      'a password in a URL',
      () => keycloak({ url: 'https://me:hunter2@a.example.com', realm: 'x' }),
      /^(?!.*hunter2).*saw "https:\/\/…@a\.example\.com"; it holds a user name/s,
    ],
    [
      'an argument that is not a string',
      () => keycloak({ url: 'https://a.example.com', realm: 7 } as never),
      /keycloak\(\)\.realm: saw 7; must be a non-empty string/,
    ],
    [
      'a URL that names the realm already',
      () => keycloak({ url: 'https://a.example.com/realms/main', realm: 'main' }),
      /holds "\/realms\/" already.*Write "https:\/\/a\.example\.com"/,
    ],
    [
      'a realm with a path',
      () => keycloak({ url: 'https://a.example.com', realm: 'realms/main' }),
      /must be the name of a realm/,
    ],
    [
      'a host name for a URL',
      () => keycloak({ url: 'a.example.com', realm: 'main' }),
      /must be an absolute http or https URL.*Write "https:\/\/a\.example\.com"/,
    ],
    ['a URL with a query', () => logto({ endpoint: 'https://acme.logto.app?x=1' }), /a query or a fragment/],
    ['a URL with a password', () => logto({ endpoint: 'https://a:b@acme.logto.app' }), /user name or password/],
    [
      'a URL that is not in normal form',
      () => logto({ endpoint: 'https://acme.logto.app:443' }),
      /normal form.*Write "https:\/\/acme\.logto\.app\/"/,
    ],
    [
      'an endpoint of Logto with /oidc',
      () => logto({ endpoint: 'https://acme.logto.app/oidc' }),
      /holds "\/oidc" already/,
    ],
    [
      'the tenant "common"',
      () => entraId({ tenantId: 'common' }),
      /saw "common"; it stands for many tenants.*one entraId\(\) for each/,
    ],
    [
      'a domain for a tenant',
      () => entraId({ tenantId: 'contoso.onmicrosoft.com' }),
      /saw "contoso\.onmicrosoft\.com"; must be a GUID/,
    ],
    ['a missing tenant', () => entraId({} as never), /tenantId: saw nothing; it is required/],
    [
      'a version of Entra ID that does not exist',
      () => entraId({ tenantId: TENANT, version: '2.0' as never }),
      /version: saw "2\.0"; is not a known value. Write 2 or 1/,
    ],
    [
      'the admin console of Okta',
      () => okta({ domain: 'acme-admin.okta.com' }),
      /admin console. Write "acme\.okta\.com"/,
    ],
    [
      'a path for an authorization server of Okta',
      () => okta({ domain: 'acme.okta.com', authorizationServerId: 'oauth2/default' }),
      /must be the identifier of an authorization server/,
    ],
    [
      'an empty authorization server of Okta',
      () => okta({ domain: 'acme.okta.com', authorizationServerId: '' }),
      /authorizationServerId: saw ""; must be a non-empty string/,
    ],
    [
      'a pool of another region',
      () => cognito({ region: 'us-east-1', userPoolId: 'eu-west-1_abc' }),
      /the user pool "eu-west-1_abc" is in another one. Write the region of the pool, "eu-west-1"/,
    ],
    [
      'an ARN for a pool',
      () => cognito({ region: 'us-east-1', userPoolId: 'arn:aws:cognito-idp:us-east-1:1:userpool/us-east-1_a' }),
      /must be the ID of a user pool/,
    ],
    [
      'an invalid region',
      () => cognito({ region: 'Frankfurt', userPoolId: 'eu-central-1_a' }),
      /must be the name of a region/,
    ],
    ['an ID of Descope in the wrong place', () => descope({ projectId: 'MS456' }), /must be a project ID/],
    [
      'a well-known URL for a server of Descope',
      () => descope({ projectId: 'P2abc', mcpServerId: 'https://api.descope.com/v1/apps/agentic/P2abc/MS1' }),
      /must be the ID of an MCP server/,
    ],
    [
      'a base URL of Descope with its path',
      () => descope({ projectId: 'P2abc', baseUrl: 'https://api.descope.com/v1/apps/P2abc' }),
      /holds "\/v1\/apps" already/,
    ],
    [
      'a project of Stytch for its domain',
      () => stytch({ projectId: STYTCH_PROJECT } as never),
      /projectId: saw "project-live-.*not a URL.*Write the project domain as `domain`, and the project ID as `audience`/,
    ],
    [
      'a URL of Scalekit that names the resource',
      () => scalekit({ environmentUrl: 'https://acme.scalekit.com/resources/res_1' }),
      /holds "\/resources\/" already/,
    ],
    [
      'a missing resource of Scalekit',
      () => scalekit({ environmentUrl: 'https://acme.scalekit.com', tokenIssuer: 'resource' }),
      /resourceId: saw nothing; it is required/,
    ],
    [
      'a URL for a resource of Scalekit',
      () => scalekit({ environmentUrl: 'https://acme.scalekit.com', resourceId: 'https://mcp.example.com' }),
      /must be a resource ID/,
    ],
    [
      'a project URL of Supabase with /auth/v1',
      () => supabase({ projectUrl: 'https://abc.supabase.co/auth/v1' }),
      /holds "\/auth\/v1" already.*Write "https:\/\/abc\.supabase\.co"/,
    ],
  ];

  it.each(REFUSED)('refuses %s, and says what to write', (_name, call, message) => {
    expect(call).toThrow(McpAuthConfigError);
    expect(call).toThrow(message);
  });

  it('lists every problem of a call at once', () => {
    const call = (): unknown => keycloak({ url: 'login', realm: '', relm: 'main' } as never);
    expect(call).toThrow(/has 3 problems:\n.*\(\)\.relm.*\n.*\(\)\.url.*\n.*\(\)\.realm/);
  });

  it('shortens what it saw', () => {
    const call = (): unknown => auth0({ domain: `${'a'.repeat(500)}/` });
    expect(call).toThrow(/a{119}…/);
  });

  it('takes a URL with or without a slash at its end', () => {
    expect(logto({ endpoint: 'https://acme.logto.app' })).toEqual(logto({ endpoint: 'https://acme.logto.app/' }));
  });

  it('leaves out what was not given', () => {
    expect(okta({ domain: 'acme.okta.com' }).issuer).toBe('https://acme.okta.com/oauth2/default');
    expect(descope({ projectId: 'P2abc' })).not.toHaveProperty('advertisedIssuer');
    expect(descope({ projectId: 'P2abc', baseUrl: 'https://auth.example.com' }).issuer).toBe(
      'https://auth.example.com/v1/apps/P2abc',
    );
    expect(scalekit({ environmentUrl: 'https://acme.scalekit.com' })).not.toHaveProperty('advertisedIssuer');
    expect(okta({ domain: 'acme.okta.com', authorizationServerId: undefined } as never).issuer).toMatch(/default$/);
  });
});
