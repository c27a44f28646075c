/** What only Keycloak is asked: settings of single clients that change their tokens. */
import { callTool } from '../../client/call.js';
import { post } from '../../client/oauth.js';
import { log } from '../../app/log.js';
import { callOtherApi } from '../../scenario/apis.js';
import { storyWithDocument } from '../../scenario/clients.js';
import { API, INVENTORY, INVENTORY_SCOPE, OTHER_API } from './admin.js';

const introspectionBy = ({ clientId, clientSecret }) => ({
  clientId,
  auth: { method: 'client_secret_basic', clientSecret },
});

/** @type {import('../../scenario/steps.js').Step[]} */
export const KEYCLOAK_STEPS = [
  {
    id: 'keycloak-at-jwt',
    what: 'a client with the attribute `access.token.header.type.rfc9068`',
    run: (lab) => callAs(lab, 'mcp-at-jwt'),
  },
  {
    id: 'keycloak-es256',
    what: 'a client whose access tokens are signed with ES256',
    run: (lab) => callAs(lab, 'mcp-es256'),
  },
  {
    id: 'keycloak-without-basic',
    what: 'a client without the client scope `basic`, whose tokens have no `sub`',
    run: (lab) => callAs(lab, 'mcp-without-basic', /client scope basic/),
  },
  {
    id: 'keycloak-lightweight',
    what: 'lightweight access tokens; then with `introspection`',
    run: async (lab) => {
      const authorizationServers = [lab.introspecting];
      return `${await callAs(lab, 'mcp-lightweight')}; ${await callAs(lab, 'mcp-lightweight', undefined, { authorizationServers })}`;
    },
  },
  {
    id: 'keycloak-introspection-outsider',
    what: '`introspection` by a client that is not in the audience',
    run: (lab) => {
      const introspection = { ...introspectionBy(OTHER_API), cacheSeconds: 0, negativeCacheSeconds: 0 };
      const authorizationServers = [{ issuer: lab.server.issuer, introspection }];
      return callAs(lab, 'mcp-public', /Included Client Audience/, { authorizationServers });
    },
  },
  {
    id: 'keycloak-introspection-signed',
    what: '`introspection.signed`',
    run: (lab) => {
      const introspection = { ...introspectionBy(API), signed: true };
      return callAs(lab, 'mcp-public', /application\/token-introspection\+jwt/, {
        authorizationServers: [{ issuer: lab.server.issuer, introspection }],
      });
    },
  },
  {
    id: 'keycloak-back-channel-logout',
    what: 'an access token after its user signed out, with `revocation.backChannelLogout`',
    run: (lab) => {
      const client = { clientId: 'mcp-logout' };
      const backChannelLogout = { path: '/backchannel-logout', clientIds: [client.clientId] };
      return lab.withApp({ revocation: { backChannelLogout } }, async (url) => {
        const [ended, other] = [await lab.tokens({ client }), await lab.tokens({ client })];
        const call = async ({ access_token: token }) => {
          const { status, error } = await callTool(url, token, 'list-notes');
          return error === undefined ? String(status) : `${status} ${error}`;
        };
        const before = await call(ended);
        const end = `${lab.server.issuer}/protocol/openid-connect/logout`;
        await post(end, { refresh_token: ended.refresh_token }, { client });
        return `${before} before, ${await call(ended)} after; another session of the user: ${await call(other)}`;
      });
    },
  },
  {
    id: 'keycloak-downstream-scope',
    what: '`downstream` without the scope that brings the audience',
    run: (lab) => callOtherApi(lab, { audience: INVENTORY.clientId }),
  },
  {
    id: 'keycloak-downstream-outsider',
    what: '`downstream` by a client that is not in the `aud` of the token of the caller',
    run: (lab) => {
      const { clientId, auth } = introspectionBy(OTHER_API);
      return callOtherApi(lab, {
        audience: INVENTORY.clientId,
        options: { clientId, auth, scopes: [INVENTORY_SCOPE] },
      });
    },
  },
  {
    id: 'keycloak-service-account',
    what: 'a service account (client credentials)',
    run: async (lab) => {
      const parameters = { grant_type: 'client_credentials', scope: 'notes:read' };
      const { body } = await post(lab.metadata.token_endpoint, parameters, { client: API });
      return lab.withApp({}, async (url) => {
        const { status, result } = await callTool(url, body.access_token, 'whoami');
        return `${status}, auth.kind is ${result?.kind}`;
      });
    },
  },
];

/** @type {import('../../scenario/steps.js').Step} */
export const WITHOUT_CLIENT_POLICY = {
  id: 'keycloak-cimd-without-policy',
  what: 'a client with a metadata document where the client policy is missing',
  run: async (lab) => {
    const { admin } = lab.server;
    await admin.forbidMetadataDocuments();
    try {
      const seen = await storyWithDocument(lab);
      return /Client not found/.test(seen) ? 'the sign-in page says "Client not found"' : seen;
    } finally {
      await admin.allowMetadataDocuments();
    }
  },
};

/** One call with a token of a client; if it is refused, whether the log gives the reason. */
async function callAs(lab, clientId, reason, options = {}) {
  const { access_token: token } = await lab.tokens({ client: { clientId } });
  return lab.withApp(options, async (url) => {
    const { status, error } = await callTool(url, token, 'list-notes');
    const answer = error === undefined ? String(status) : `${status} ${error}`;
    if (reason === undefined) return answer;
    const warnings = log.takeWarnings().join('\n');
    return `${answer}, the log ${reason.test(warnings) ? 'says what to do' : `says ${warnings || 'nothing'}`}`;
  });
}
