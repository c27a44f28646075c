import { Module } from '@nestjs/common';
import {
  auth0,
  cognito,
  descope,
  entraId,
  keycloak,
  logto,
  McpAuthModule,
  okta,
  scalekit,
  stytch,
  supabase,
  workos,
} from 'nestjs-mcp-auth';

/** The code of docs/providers.md: compiled here, and started by the test beside it. */

@Module({
  // #region overview
  imports: [
    McpAuthModule.forRoot({
      resource: 'https://mcp.example.com/mcp',
      authorizationServers: [keycloak({ url: 'https://login.example.com', realm: 'main' })],
      scopes: { required: ['notes:read'] },
    }),
  ],
  // #endregion
})
export class Overview {}

@Module({
  // #region spread
  imports: [
    McpAuthModule.forRoot({
      resource: 'https://mcp.example.com/mcp',
      authorizationServers: [
        { ...keycloak({ url: 'https://login.example.com', realm: 'main' }), algorithms: ['ES256'], profile: 'rfc9068' },
      ],
    }),
  ],
  // #endregion
})
export class Spread {}

@Module({
  // #region auth0
  imports: [
    McpAuthModule.forRoot({
      resource: 'https://mcp.example.com/mcp',
      authorizationServers: [auth0({ domain: 'acme.eu.auth0.com' })],
    }),
  ],
  // #endregion
})
export class Auth0 {}

@Module({
  // #region keycloak
  imports: [
    McpAuthModule.forRoot({
      resource: 'https://mcp.example.com/mcp',
      authorizationServers: [keycloak({ url: 'https://login.example.com', realm: 'main' })],
    }),
  ],
  // #endregion
})
export class Keycloak {}

const main = keycloak({ url: 'https://login.example.com', realm: 'main' });

@Module({
  imports: [
    McpAuthModule.forRoot({
      resource: 'https://mcp.example.com/mcp',
      // #region keycloak-roles
      // main = keycloak({ url: 'https://login.example.com', realm: 'main' })
      authorizationServers: [{ ...main, claims: { ...main.claims, scopes: '/resource_access/notes-api/roles' } }],
      // #endregion
    }),
  ],
})
export class KeycloakRoles {}

@Module({
  imports: [
    McpAuthModule.forRoot({
      resource: 'https://mcp.example.com/mcp',
      authorizationServers: [
        {
          ...keycloak({ url: 'https://login.example.com', realm: 'main' }),
          // #region keycloak-grants
          grants: {
            '/realm_access/roles': { editor: ['notes:read', 'notes:write'], reader: ['notes:read'] },
            '/resource_access/notes-api/roles': { curator: ['notes:delete'] },
          },
          // #endregion
        },
        {
          ...entraId({ tenantId: '72f988bf-86f1-41af-91ab-2d7cd011db47' }),
          // #region entra-grants
          grants: { roles: { 'Notes.Administrator': ['notes.delete'] } },
          // #endregion
        },
        {
          ...auth0({ domain: 'acme.eu.auth0.com' }),
          // #region auth0-grants
          grants: { permissions: { 'delete:notes': ['notes:delete'] } },
          // #endregion
        },
        {
          ...cognito({ region: 'eu-central-1', userPoolId: 'eu-central-1_aB3dE5fGh' }),
          // #region cognito-grants
          grants: { 'cognito:groups': { editors: ['notes:write'] } },
          // #endregion
        },
        {
          issuer: 'https://login.example.org',
          // #region union
          claims: { scopes: { union: ['scope', 'app_scopes'] } },
          // #endregion
        },
        {
          issuer: 'https://login.example.net',
          // #region scopes-of
          scopesOf: ({ plan }) => (plan === 'team' ? ['notes:read', 'notes:write'] : ['notes:read']),
          // #endregion
        },
        {
          issuer: 'https://sign-in.example.net',
          // #region kind-of
          kindOf: { account_type: { person: 'user', bot: 'client' } },
          // #endregion
        },
      ],
    }),
  ],
})
export class Grants {}

@Module({
  // #region entra
  imports: [
    McpAuthModule.forRoot({
      resource: 'https://mcp.example.com/mcp',
      authorizationServers: [entraId({ tenantId: '72f988bf-86f1-41af-91ab-2d7cd011db47' })],
      audience: '6e74172b-be56-4843-9ff4-e66a39bb12e3', // Application (client) ID of this server
      scopes: {
        // What clients must ask for, and what decorators name; tokens carry the short names.
        required: ['https://mcp.example.com/mcp/notes.read'],
        hierarchy: {
          'notes.read': ['https://mcp.example.com/mcp/notes.read'],
          'notes.write': ['https://mcp.example.com/mcp/notes.write'],
        },
      },
    }),
  ],
  // #endregion
})
export class Entra {}

@Module({
  // #region okta
  imports: [
    McpAuthModule.forRoot({
      resource: 'https://mcp.example.com/mcp',
      authorizationServers: [okta({ domain: 'acme.okta.com', authorizationServerId: 'aus9o8wzkhckw9TLa0h7' })],
    }),
  ],
  // #endregion
})
export class Okta {}

@Module({
  // #region cognito
  imports: [
    McpAuthModule.forRoot({
      resource: 'https://mcp.example.com/mcp',
      authorizationServers: [cognito({ region: 'eu-central-1', userPoolId: 'eu-central-1_aB3dE5fGh' })],
      scopes: { required: ['https://mcp.example.com/mcp/notes.read'] },
    }),
  ],
  // #endregion
})
export class Cognito {}

@Module({
  // #region cognito-client
  imports: [
    McpAuthModule.forRoot({
      resource: 'https://mcp.example.com/mcp',
      authorizationServers: [
        cognito({ region: 'eu-central-1', userPoolId: 'eu-central-1_aB3dE5fGh', clientIdAsAudience: true }),
      ],
      audience: ['1example23456789'], // IDs of the app clients that may call this server
    }),
  ],
  // #endregion
})
export class CognitoClient {}

@Module({
  // #region logto
  imports: [
    McpAuthModule.forRoot({
      resource: 'https://mcp.example.com/mcp',
      authorizationServers: [logto({ endpoint: 'https://acme.logto.app' })],
    }),
  ],
  // #endregion
})
export class Logto {}

@Module({
  // #region workos
  imports: [
    McpAuthModule.forRoot({
      resource: 'https://mcp.example.com/mcp',
      authorizationServers: [workos({ authkitDomain: 'acme.authkit.app' })],
    }),
  ],
  // #endregion
})
export class WorkOS {}

@Module({
  // #region descope
  imports: [
    McpAuthModule.forRoot({
      resource: 'https://mcp.example.com/mcp',
      authorizationServers: [
        descope({ projectId: 'P2abcdefghijklmnopqrstuvwxyz', mcpServerId: 'MS2abcdefghijklmnopqrstuvwxy' }),
      ],
    }),
  ],
  // #endregion
})
export class Descope {}

@Module({
  // #region stytch
  imports: [
    McpAuthModule.forRoot({
      resource: 'https://mcp.example.com/mcp',
      authorizationServers: [stytch({ domain: 'humble-otter-1234.customers.stytch.com' })],
      audience: 'project-live-d0dbafe6-a019-47ea-8550-d021c1c76ea9', // the project ID
    }),
  ],
  // #endregion
})
export class Stytch {}

@Module({
  // #region scalekit
  imports: [
    McpAuthModule.forRoot({
      resource: 'https://mcp.example.com/mcp',
      authorizationServers: [
        scalekit({ environmentUrl: 'https://acme.scalekit.com', resourceId: 'res_92015146095' }),
        // While Scalekit changes what tokens name as their issuer:
        scalekit({
          environmentUrl: 'https://acme.scalekit.com',
          resourceId: 'res_92015146095',
          tokenIssuer: 'resource',
        }),
      ],
    }),
  ],
  // #endregion
})
export class Scalekit {}

@Module({
  // #region supabase
  imports: [
    McpAuthModule.forRoot({
      resource: 'https://mcp.example.com/mcp',
      authorizationServers: [supabase({ projectUrl: 'https://abcdefghijklmnop.supabase.co' })],
      audience: 'authenticated', // leave it out where a hook writes your resource identifier into `aud`
    }),
  ],
  // #endregion
})
export class Supabase {}

@Module({
  // #region from-mcp-auth
  imports: [
    McpAuthModule.forRoot({
      resource: 'https://mcp.example.com/mcp',
      authorizationServers: [{ issuer: 'https://login.example.com', discovery: 'oidc' }],
      scopes: { required: ['notes:read'] },
    }),
  ],
  // #endregion
})
export class FromMcpAuth {}
