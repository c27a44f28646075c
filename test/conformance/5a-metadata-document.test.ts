import 'reflect-metadata';
import { afterEach, describe, expect, it } from '@jest/globals';
import { type McpAuthModuleOptions, type ResourceMetadataOptions } from 'nestjs-mcp-auth';
import { PLATFORMS } from '../support/platforms.js';
import {
  ROOT,
  RESOURCE,
  ISSUER,
  BASE,
  DOCUMENT,
  type StartedApp,
  type Setup,
  start,
  stop,
  startProblem,
  request,
  expectDocument,
  expectNothing,
  NotesController,
} from '../support/metadata-app.js';

describe.each(PLATFORMS)('section 5, protected resource metadata, on %s: the document', (platform) => {
  const started = (setup: Setup): Promise<StartedApp> => start(platform, setup);
  const documentOf = async (setup: Setup, path = `${ROOT}/mcp`): Promise<Record<string, unknown>> => {
    const { origin } = await started(setup);
    const response = await fetch(origin + path);
    expect(response.status).toBe(200);
    return (await response.json()) as Record<string, unknown>;
  };
  afterEach(() => stop());

  it('MCP-26-DISC-01: names every authorization server, each spelled as configured, without a slash added or removed', async () => {
    const authorizationServers = [
      ISSUER,
      'https://tenant.example.com/',
      { issuer: 'https://Login.example.com:8443/realms/Main' },
    ];
    const document = await documentOf({ options: { resource: RESOURCE, authorizationServers } });
    expect(document['authorization_servers']).toEqual([
      'https://login.example.com',
      'https://tenant.example.com/',
      'https://Login.example.com:8443/realms/Main',
    ]);
  });

  it('MCP-26-DISC-01: names the URL at which clients begin, where that is another than the issuer of the tokens, once', async () => {
    const advertisedIssuer = 'https://login.example.com/start';
    const authorizationServers = [
      { issuer: 'https://a.example.com', advertisedIssuer },
      { issuer: 'https://b.example.com', advertisedIssuer },
    ];
    const document = await documentOf({ options: { resource: RESOURCE, authorizationServers } });
    expect(document['authorization_servers']).toEqual([advertisedIssuer]);
  });

  it.each([
    ['a path', 'https://mcp.example.com/mcp', `${ROOT}/mcp`],
    ['a longer path', 'https://mcp.example.com/a/mcp', `${ROOT}/a/mcp`],
    ['no path', 'https://mcp.example.com', ROOT],
    ['a port', 'https://mcp.example.com:8443/mcp', `${ROOT}/mcp`],
    ['a port and no path', 'https://mcp.example.com:8443', ROOT],
    ['a path with escapes', 'https://mcp.example.com/m%C3%A9mos/a%2Fb', `${ROOT}/m%C3%A9mos/a%2Fb`],
    ['a path that begins like the well-known one', `https://mcp.example.com${ROOT}`, `${ROOT}${ROOT}`],
  ])(
    'RFC9728-3-a: inserts the well-known suffix between host and path of a resource with %s',
    async (_, resource, path) => {
      const { origin } = await started({ options: { ...BASE, resource } });
      await expectDocument(origin, path, { ...DOCUMENT, resource });
    },
  );

  it('RFC9728-3-a: does not append the well-known suffix to the path', async () => {
    const { origin } = await started({ options: { ...BASE, resource: 'https://mcp.example.com/a/mcp' } });
    for (const path of [`/a/mcp${ROOT}`, `/a${ROOT}/mcp`, `${ROOT}/mcp`, `${ROOT}/a`])
      await expectNothing(origin, path);
  });

  it('RFC9728-3.3: serves nothing at the root where `rootMetadata` is false and the resource has a path', async () => {
    const { origin } = await started({ options: { ...BASE, rootMetadata: false } });
    await expectNothing(origin, ROOT);
    await expectDocument(origin, `${ROOT}/mcp`);
    const rooted = await started({ options: { ...BASE, resource: 'https://mcp.example.com', rootMetadata: false } });
    await expectDocument(rooted.origin, ROOT, { ...DOCUMENT, resource: 'https://mcp.example.com' });
  });

  it('RFC9728-3-a: serves the document of the only resource at the root too, where MCP clients look when they know no better', async () => {
    const { origin } = await started({});
    await expectDocument(origin, ROOT);
  });

  it.each([
    ['drops the slash directly after the host', 'https://mcp.example.com/', [ROOT], [`${ROOT}/`]],
    ['keeps a trailing slash of the path', 'https://mcp.example.com/mcp/', [`${ROOT}/mcp/`], [`${ROOT}/mcp`]],
    [
      'adds no trailing slash to the path',
      'https://mcp.example.com/mcp',
      [`${ROOT}/mcp`],
      [`${ROOT}/mcp/`, `${ROOT}/`],
    ],
  ])('RFC9728-3.1-a: %s', async (_, resource, found, absent) => {
    const { origin } = await started({ options: { ...BASE, resource } });
    for (const path of found) await expectDocument(origin, path, { ...DOCUMENT, resource });
    for (const path of absent) await expectNothing(origin, path);
  });

  it('RFC9728-3-b: refuses to start with a query in the resource identifier, rather than drop it', async () => {
    const { problems } = await startProblem({ ...BASE, resource: `${RESOURCE}?t=1` });
    expect(problems).toEqual([
      expect.objectContaining({ option: 'resource', seen: `"${RESOURCE}?t=1"`, why: expect.stringContaining('query') }),
    ]);
  });

  it('RFC9728-3-b: never takes a query of the metadata URL for part of an identifier', async () => {
    const { origin } = await started({});
    await expectDocument(origin, `${ROOT}/mcp?t=2&resource=https://evil.test`);
    await expectNothing(origin, `${ROOT}/evil?/mcp`);
  });

  it.each([
    ['no URL', 'mcp.example.com'],
    ['a fragment', 'https://mcp.example.com/mcp#x'],
    ['an empty fragment', 'https://mcp.example.com/mcp#'],
    ['a user name and password', 'https://u:p@mcp.example.com/mcp'],
    ['another scheme', 'urn:example:mcp'],
    ['another scheme with a host', 'ftp://mcp.example.com/mcp'],
    ['plain http that is not on loopback', 'http://mcp.example.com/mcp'],
    ['a path only', '/mcp'],
    ['a default port', 'https://mcp.example.com:443/mcp'],
    ['dot segments', 'https://mcp.example.com/a/../mcp'],
    ['characters that belong escaped', 'https://mcp.example.com/mémos'],
    ['white space around it', ' https://mcp.example.com/mcp '],
    ['nothing in it', ''],
  ])(
    'RFC9728-1.2-a: refuses to start with a resource identifier that has %s, naming the option',
    async (_, resource) => {
      const { problems } = await startProblem({ ...BASE, resource });
      expect(problems.map(({ option }) => option)).toEqual(['resource']);
    },
  );

  it.each(['http://localhost:3000/mcp', 'http://127.0.0.1:3000/mcp', 'http://[::1]:3000/mcp'])(
    'RFC9728-1.2-a: takes plain http on loopback, %s, without a warning',
    async (resource) => {
      const { origin, log } = await started({ options: { ...BASE, resource } });
      await expectDocument(origin, `${ROOT}/mcp`, { ...DOCUMENT, resource });
      expect(log.filter(({ level }) => level === 'warn')).toEqual([]);
    },
  );

  it('RFC9728-3.2-a: answers 200 with application/json and a JSON object', async () => {
    const { origin } = await started({});
    const response = await fetch(`${origin}${ROOT}/mcp`);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(await response.json()).toEqual(DOCUMENT);
  });

  it.each([
    ['root', 'https://mcp.example.com', ROOT],
    ['root with slash', 'https://mcp.example.com/', ROOT],
    ['path', 'https://mcp.example.com/Mcp', `${ROOT}/Mcp`],
    ['port', 'https://mcp.example.com:8443/mcp', `${ROOT}/mcp`],
    ['trailing slash', 'https://mcp.example.com/mcp/', `${ROOT}/mcp/`],
    ['IPv6 host', 'https://[2001:db8::1]/mcp', `${ROOT}/mcp`],
  ])(
    'RFC9728-3.3-a: states the resource as the identifier its URL was built from, byte for byte: %s',
    async (_, resource, path) => {
      expect((await documentOf({ options: { ...BASE, resource } }, path))['resource']).toBe(resource);
    },
  );

  it('RFC9728-3.3-a: never takes the resource from Host or forwarding headers', async () => {
    const { origin } = await started({});
    const forged = [
      'Host: evil.test',
      'X-Forwarded-Host: evil.test',
      'X-Forwarded-Proto: http',
      'Forwarded: host=evil.test',
      'X-Original-URL: /evil',
    ];
    const response = await request(origin, 'GET', `${ROOT}/mcp`, forged);
    expect(response.body).toBe(JSON.stringify(DOCUMENT));
  });

  it('MCP-26-RS-13: puts scheme and host of the configured resource in lower case, and nothing else, with one warning', async () => {
    const { origin, log } = await started({ options: { ...BASE, resource: 'HTTPS://MCP.Example.COM/Mcp' } });
    await expectDocument(origin, `${ROOT}/Mcp`, { ...DOCUMENT, resource: 'https://mcp.example.com/Mcp' });
    await expectNothing(origin, `${ROOT}/mcp`);
    const warnings = log.filter(({ level }) => level === 'warn').map(({ text }) => text);
    expect(warnings).toEqual([
      'resource "HTTPS://MCP.Example.COM/Mcp" is used as "https://mcp.example.com/Mcp": scheme and host are lower case',
    ]);
  });

  it('MCP-26-RS-13: serves a request that spells the host in upper case', async () => {
    const { origin } = await started({});
    const response = await request(origin, 'GET', `${ROOT}/mcp`, ['Host: MCP.EXAMPLE.COM']);
    expect({ status: response.status, body: response.body }).toEqual({ status: 200, body: JSON.stringify(DOCUMENT) });
  });

  it.each([
    ['as configured', { required: ['notes:read'], supported: ['notes:read', 'profile'] }, ['notes:read', 'profile']],
    [
      'as the scopes every request needs, where only those are configured',
      { required: ['notes:read'] },
      ['notes:read'],
    ],
    [
      'as the scopes that decorators name, where none are configured',
      undefined,
      ['notes:admin', 'notes:read', 'notes:write'],
    ],
  ])('RFC9728-2-a: advertises scopes_supported %s', async (_, scopes, expected) => {
    const options = { ...BASE, ...(scopes && { scopes }) };
    const document = await documentOf({ options, controllers: [NotesController] });
    expect(document['scopes_supported']).toEqual(expected);
  });

  it('RFC9728-3.2-b: leaves scopes_supported out where there are no scopes', async () => {
    expect(await documentOf({})).not.toHaveProperty('scopes_supported');
  });

  it('RFC9728-3.2-b: leaves scopes_supported out where none are to be advertised', async () => {
    const options = { ...BASE, scopes: { required: ['notes:read'], supported: [] } };
    expect(await documentOf({ options, controllers: [NotesController] })).not.toHaveProperty('scopes_supported');
  });

  it('RFC9728-3.2-b: leaves members without a value out: undefined, null, and lists of nothing', async () => {
    const metadata = {
      resourceName: undefined,
      resource_policy_uri: null,
      authorization_details_types_supported: [],
      x_member: 0,
    };
    const document = await documentOf({ options: { ...BASE, metadata } as unknown as McpAuthModuleOptions });
    expect(document).toEqual({ ...DOCUMENT, x_member: 0 });
  });

  it('RFC9728-2-d: states that tokens come in the header, and nowhere else', async () => {
    expect((await documentOf({}))['bearer_methods_supported']).toEqual(['header']);
  });

  it('RFC9728-2-d: refuses to start with another statement', async () => {
    const { problems } = await startProblem({ ...BASE, metadata: { bearer_methods_supported: ['header', 'body'] } });
    expect(problems.map(({ option }) => option)).toEqual(['metadata.bearer_methods_supported']);
  });

  it('RFC9728-2-f: passes further members through unchanged, languages and extensions included', async () => {
    const members = {
      resource_name: 'Notes',
      'resource_name#de': 'Notizen',
      'resource_name#zh-Hans': '笔记',
      resource_documentation: 'https://docs.example.com/',
      'resource_documentation#de': 'https://docs.example.com/de',
      resource_policy_uri: 'https://example.com/policy?v=2',
      resource_tos_uri: 'https://example.com/tos',
      authorization_details_types_supported: ['note_access'],
      xExtension: { camelCase: [1, null, 'two'] },
    };
    expect(await documentOf({ options: { ...BASE, metadata: members } })).toEqual({ ...DOCUMENT, ...members });
  });

  it('RFC9728-2-f: publishes the options with names of their own under the names of the RFC', async () => {
    const metadata: ResourceMetadataOptions = {
      resourceName: 'Notes',
      resourceDocumentation: 'https://docs.example.com',
      resourcePolicyUri: 'https://example.com/policy',
      resourceTosUri: 'https://example.com/tos',
      jwksUri: 'https://mcp.example.com/jwks',
    };
    expect(await documentOf({ options: { ...BASE, metadata } })).toEqual({
      ...DOCUMENT,
      resource_name: 'Notes',
      resource_documentation: 'https://docs.example.com',
      resource_policy_uri: 'https://example.com/policy',
      resource_tos_uri: 'https://example.com/tos',
      jwks_uri: 'https://mcp.example.com/jwks',
    });
  });

  it('RFC9728-2-f: refuses to state certificate-bound tokens, which would be untrue', async () => {
    const { problems } = await startProblem({
      ...BASE,
      metadata: { tls_client_certificate_bound_access_tokens: true },
    });
    expect(problems.map(({ option }) => option)).toEqual(['metadata.tls_client_certificate_bound_access_tokens']);
  });

  it.each([
    ['jwks_uri over plain http', { jwksUri: 'http://mcp.example.com/jwks' }, 'metadata.jwksUri', 'plain http'],
    ['jwks_uri that is not a URL', { jwks_uri: '/jwks' }, 'metadata.jwks_uri', 'must be an absolute URL'],
    [
      'the keys of the authorization server as jwks_uri',
      { jwksUri: `${ISSUER}/keys` },
      'metadata.jwksUri',
      'keys of the authorization server',
    ],
    [
      '"none" as a signature algorithm',
      { resource_signing_alg_values_supported: ['RS256', 'none'] },
      'metadata.resource_signing_alg_values_supported',
      'not a signature',
    ],
  ])('RFC9728-2-g: refuses to start with %s', async (_, metadata, option, why) => {
    const authorizationServers = [{ issuer: ISSUER, jwksUri: `${ISSUER}/keys` }];
    const { problems } = await startProblem({ resource: RESOURCE, authorizationServers, metadata });
    expect(problems).toEqual([expect.objectContaining({ option, why: expect.stringContaining(why) })]);
  });

  it('RFC9728-2-g: publishes keys and algorithms of the resource itself', async () => {
    const metadata = { jwksUri: 'https://mcp.example.com/jwks', resource_signing_alg_values_supported: ['ES256'] };
    expect(await documentOf({ options: { ...BASE, metadata } })).toEqual({
      ...DOCUMENT,
      jwks_uri: 'https://mcp.example.com/jwks',
      resource_signing_alg_values_supported: ['ES256'],
    });
  });

  it('RFC9728-2.2-a: offers no signed_metadata, and refuses to start with a copy that could go stale', async () => {
    const { problems } = await startProblem({
      ...BASE,
      metadata: { signed_metadata: 'eyJhbGciOiJSUzI1NiJ9.e30.c2ln' },
    });
    expect(problems.map(({ option }) => option)).toEqual(['metadata.signed_metadata']);
    expect(JSON.stringify(problems)).not.toContain('eyJhbGciOiJSUzI1NiJ9');
    expect(await documentOf({})).not.toHaveProperty('signed_metadata');
  });
});

describe('section 5, protected resource metadata: without an authorization server', () => {
  afterEach(() => stop());

  it.each([
    ['no list', undefined],
    ['an empty list', []],
    ['a list of nothing', ['']],
    ['something else', 'none'],
  ])('MCP-26-DISC-01: refuses to start with %s of them', async (_, authorizationServers) => {
    const { problems } = await startProblem({ resource: RESOURCE, authorizationServers });
    expect(problems.map(({ option }) => option)).toEqual([expect.stringMatching(/^authorizationServers/)]);
  });
});
