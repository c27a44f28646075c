/** An authorization server on node-oidc-provider, with its own sign-in pages, which accept any password. */
import { readFileSync } from 'node:fs';
import https from 'node:https';
import { Provider } from 'oidc-provider';

const { PORT, TLS_PORT, TLS_KEY, TLS_CERT, RESOURCE, API_SECRET, FORMAT, KEYS } = process.env;
const SCOPES = ['notes:read', 'notes:write'];
const LIFETIME = 300;

const provider = new Provider(`http://127.0.0.1:${PORT}`, {
  jwks: JSON.parse(readFileSync(KEYS, 'utf8')),
  scopes: ['openid', 'offline_access', ...SCOPES],
  clients: [
    {
      client_id: 'mcp-public',
      token_endpoint_auth_method: 'none',
      application_type: 'native',
      redirect_uris: ['http://127.0.0.1/callback'],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
    },
    {
      client_id: 'notes-api',
      client_secret: API_SECRET,
      redirect_uris: [],
      response_types: [],
      grant_types: ['client_credentials'],
      tls_client_certificate_bound_access_tokens: true,
    },
  ],
  features: {
    registration: { enabled: true },
    revocation: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    clientCredentials: { enabled: true },
    dPoP: { enabled: true },
    mTLS: {
      enabled: true,
      certificateBoundAccessTokens: true,
      getCertificate: (ctx) => ctx.socket.getPeerX509Certificate?.(),
    },
    clientIdMetadataDocument: { enabled: true, ack: 'draft-02' },
    resourceIndicators: {
      enabled: true,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        scope: SCOPES.join(' '),
        audience: RESOURCE,
        accessTokenTTL: LIFETIME,
        accessTokenFormat: FORMAT,
        jwt: { sign: { alg: 'RS256' } },
      }),
    },
  },
  issueRefreshToken: (_ctx, client, code) =>
    client.grantTypeAllowed('refresh_token') && code.scopes.has('offline_access'),
  // As it comes, it fetches no document from this machine.
  fetch: (url, { dispatcher: _refusesLoopback, ...options }) => fetch(url, options),
  clientBasedCORS: () => true,
  pkce: { required: () => true },
  ttl: { AccessToken: LIFETIME, Grant: 3_600, Interaction: 600, Session: 3_600, RefreshToken: 3_600 },
});
provider.listen(Number(PORT), '127.0.0.1');

// The same endpoints for clients with certificates.
const tls = { key: readFileSync(TLS_KEY), cert: readFileSync(TLS_CERT), requestCert: true, rejectUnauthorized: false };
https.createServer(tls, provider.callback()).listen(Number(TLS_PORT), '127.0.0.1');
