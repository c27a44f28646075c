/** What docs/providers.md has an administrator do in the console, by the admin API of Keycloak. */

export const REALM = 'notes';
export const API = { clientId: 'notes-api', clientSecret: 'notes-api-secret' };
export const OTHER_API = { clientId: 'other-api', clientSecret: 'other-api-secret' };
/** An API that tools of the MCP server call. `OTHER_API` may exchange tokens, too, and is in no `aud`. */
export const INVENTORY = { clientId: 'inventory-api', clientSecret: 'inventory-api-secret' };
export const INVENTORY_SCOPE = 'inventory';
export const BOUND = { clientId: 'mcp-bound', clientSecret: 'mcp-bound-secret' };
export const ADMIN = { username: 'admin', password: 'admin' };

const SCOPES = ['notes:read', 'notes:write'];
const REDIRECT_URIS = ['http://127.0.0.1:7777/callback'];

export class KeycloakAdmin {
  /** @param {string} base URL of the server */
  constructor(base) {
    this.base = base;
  }

  /** Sends a request to the admin API, about the realm unless the path begins at the root. */
  async send(method, path, body) {
    const response = await fetch(
      `${this.base}/admin/realms${path.startsWith('//') ? path.slice(1) : `/${REALM}${path}`}`,
      {
        method,
        headers: { authorization: `Bearer ${await this.#token()}`, 'content-type': 'application/json' },
        body: body && JSON.stringify(body),
      },
    );
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text === '' ? undefined : JSON.parse(text);
  }

  /** Makes a realm that works with MCP. */
  async prepareRealm(resource) {
    await this.send('POST', '//', realm(resource));
    for (const name of SCOPES) await this.send('POST', '/client-scopes', scopeFor(name, resource));
    const scopes = (await this.send('GET', '/client-scopes')).filter(({ name }) => SCOPES.includes(name));
    const clients = (await this.send('GET', '/clients')).filter(({ clientId }) => /^mcp-|-api$/.test(clientId));
    for (const { id } of scopes) {
      await this.send('PUT', `/default-optional-client-scopes/${id}`);
      for (const client of clients) await this.send('PUT', `/clients/${client.id}/optional-client-scopes/${id}`);
    }
    await this.#addInventory(clients);
    await this.#removeDefaultScope('mcp-without-basic', 'basic');
    await this.#allowRegistration();
  }

  /** Signs with a new key from now on. The old one is still published. */
  async rotateKeys() {
    const { id } = await this.send('GET', '');
    const config = { priority: ['500'], enabled: ['true'], active: ['true'], keySize: ['2048'], algorithm: ['RS256'] };
    await this.send('POST', '/components', {
      name: 'a newer key',
      providerId: 'rsa-generated',
      providerType: 'org.keycloak.keys.KeyProvider',
      parentId: id,
      config,
    });
  }

  /** The client policy without which Keycloak refuses the clients whose documents its metadata says it accepts. */
  async allowMetadataDocuments() {
    const domains = ['127.0.0.1'];
    const executor = {
      executor: 'client-id-metadata-document',
      configuration: {
        'cimd-allow-http-scheme': true,
        'cimd-allow-permitted-domains': domains,
        'cimd-restrict-same-domain': false,
        'cimd-required-properties': [],
        'only-allow-confidential-client': false,
      },
    };
    const condition = {
      condition: 'client-id-uri',
      configuration: { 'client-id-uri-scheme': ['https'], 'client-id-uri-allow-permitted-domains': domains },
    };
    await this.send('PUT', '/client-policies/profiles', { profiles: [{ name: 'documents', executors: [executor] }] });
    await this.send('PUT', '/client-policies/policies', {
      policies: [{ name: 'documents', enabled: true, conditions: [condition], profiles: ['documents'] }],
    });
  }

  /** Leaves the feature on, and takes the client policy away. */
  async forbidMetadataDocuments() {
    await this.send('PUT', '/client-policies/policies', { policies: [] });
  }

  /** The scope with which the clients that exchange tokens get the audience of the other API. */
  async #addInventory(clients) {
    const mapper = audienceMapper('inventory', { 'included.client.audience': INVENTORY.clientId });
    const attributes = { 'include.in.token.scope': 'true' };
    const scope = { name: INVENTORY_SCOPE, protocol: 'openid-connect', attributes, protocolMappers: [mapper] };
    await this.send('POST', '/client-scopes', scope);
    const { id } = (await this.send('GET', '/client-scopes')).find(({ name }) => name === INVENTORY_SCOPE);
    for (const client of clients.filter(({ clientId }) => [API, OTHER_API].some((one) => one.clientId === clientId)))
      await this.send('PUT', `/clients/${client.id}/optional-client-scopes/${id}`);
  }

  async #removeDefaultScope(clientId, name) {
    const [client] = await this.send('GET', `/clients?clientId=${clientId}`);
    const { id } = (await this.send('GET', '/client-scopes')).find((scope) => scope.name === name);
    await this.send('DELETE', `/clients/${client.id}/default-client-scopes/${id}`);
  }

  /** Clients → Client registration: who may register, and for which scopes. */
  async #allowRegistration() {
    const type = 'org.keycloak.services.clientregistration.policy.ClientRegistrationPolicy';
    for (const policy of await this.send('GET', `/components?type=${type}`)) {
      const config = registrationPolicy(policy);
      if (config) await this.send('PUT', `/components/${policy.id}`, { ...policy, config });
    }
  }

  async #token() {
    const form = { grant_type: 'password', client_id: 'admin-cli', ...ADMIN };
    const url = `${this.base}/realms/master/protocol/openid-connect/token`;
    const response = await fetch(url, { method: 'POST', body: new URLSearchParams(form) });
    return (await response.json()).access_token;
  }
}

function registrationPolicy({ providerId, subType, config }) {
  if (providerId === 'trusted-hosts') return { ...config, 'trusted-hosts': ['127.0.0.1', 'localhost'] };
  if (providerId === 'allowed-client-templates' && subType === 'anonymous') {
    const allowed = [...SCOPES, 'openid', 'offline_access'];
    return { 'allow-default-scopes': ['true'], 'allowed-client-scopes': allowed };
  }
  return undefined;
}

/** A client scope with the two Audience mappers: of the resource, and of the client that introspects. */
function scopeFor(name, resource) {
  return {
    name,
    protocol: 'openid-connect',
    attributes: { 'include.in.token.scope': 'true', 'display.on.consent.screen': 'true' },
    protocolMappers: [
      audienceMapper('MCP server', { 'included.custom.audience': resource }),
      audienceMapper('introspecting client', { 'included.client.audience': API.clientId }),
    ],
  };
}

function audienceMapper(name, audience) {
  return {
    name,
    protocol: 'openid-connect',
    protocolMapper: 'oidc-audience-mapper',
    config: { ...audience, 'access.token.claim': 'true', 'introspection.token.claim': 'true' },
  };
}

function realm(resource) {
  return {
    realm: REALM,
    enabled: true,
    sslRequired: 'none',
    accessTokenLifespan: 300,
    users: ['alice', 'bob'].map(user),
    clients: [
      publicClient('mcp-public'),
      publicClient('mcp-without-basic'),
      publicClient('mcp-logout', {
        'backchannel.logout.url': `${resource}/backchannel-logout`,
        'backchannel.logout.session.required': 'true',
      }),
      publicClient('mcp-at-jwt', { 'access.token.header.type.rfc9068': 'true' }),
      publicClient('mcp-es256', { 'access.token.signed.response.alg': 'ES256' }),
      publicClient('mcp-lightweight', { 'client.use.lightweight.access.token.enabled': 'true' }),
      confidentialClient(API, { 'standard.token.exchange.enabled': 'true' }),
      confidentialClient(OTHER_API, { 'standard.token.exchange.enabled': 'true' }),
      confidentialClient(INVENTORY),
      confidentialClient(BOUND, { 'tls.client.certificate.bound.access.tokens': 'true' }),
    ],
  };
}

function user(username) {
  const name = username[0].toUpperCase() + username.slice(1);
  return {
    username,
    enabled: true,
    email: `${username}@example.com`,
    emailVerified: true,
    firstName: name,
    lastName: name,
    // Imported users lack it, and with it the role offline_access, which the official client needs.
    realmRoles: [`default-roles-${REALM}`],
    credentials: [{ type: 'password', value: `${username}-password`, temporary: false }],
  };
}

function publicClient(clientId, attributes = {}) {
  return {
    clientId,
    publicClient: true,
    redirectUris: REDIRECT_URIS,
    attributes: { 'pkce.code.challenge.method': 'S256', ...attributes },
  };
}

function confidentialClient({ clientId, clientSecret }, attributes = {}) {
  return {
    clientId,
    secret: clientSecret,
    publicClient: false,
    standardFlowEnabled: false,
    serviceAccountsEnabled: true,
    attributes,
  };
}
