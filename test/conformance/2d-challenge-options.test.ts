import { afterEach, describe, expect, it } from '@jest/globals';
import { McpAuthConfigError, RequireScopes } from 'nestjs-mcp-auth';
import { parseChallenges, TestIssuer } from 'nestjs-mcp-auth/testing';
import { givenTool } from '../support/given-tool.js';
import { startNotesServer, type NotesServer, type NotesServerSettings } from '../support/notes-server.js';
import { expectRefusal, resetRecorded, metadataUrlOf } from '../support/expectations.js';
import { PLATFORMS } from '../support/platforms.js';
import { sendRaw } from '../support/raw-http.js';
import { callOf, post, BAD_TOKENS, expectAllowedCharacters } from '../support/challenge-cases.js';

const issuer = { alg: 'ES256' } as const;

describe.each(PLATFORMS)('2. Challenges under other options, on %s', (platform) => {
  let server: NotesServer;
  const start = async (settings: NotesServerSettings): Promise<void> => {
    server = await startNotesServer(platform, { issuer, ...settings });
  };
  afterEach(() => server?.close());

  it('MCP-26-RS-08: names the baseline too, and alone where the body says nothing', async () => {
    await start({ options: { scopes: { required: ['mcp', 'base'] } } });
    await expectRefusal(server, await server.callTool('ping'), { status: 401, scope: 'mcp base' });
    await expectRefusal(server, await server.callTool('write-note'), { status: 401, scope: 'mcp base a b' });
    await expectRefusal(server, await fetch(server.resource), { status: 401, scope: 'mcp base' });
    await expectRefusal(server, await post(server.resource, { hello: 'world' }), { status: 401, scope: 'mcp base' });
    const token = await server.mint({ scope: 'a b' });
    const expected = { error: 'insufficient_scope', token } as const;
    const write = await server.callTool('write-note', token);
    await expectRefusal(server, write, { ...expected, status: 403, scope: 'mcp base a b' });
    const ping = await server.callTool('ping', token);
    await expectRefusal(server, ping, { ...expected, status: 403, scope: 'mcp base' });
  });

  it('MCP-26-RS-08: never names the catalogue of supported scopes', async () => {
    await start({ options: { scopes: { supported: ['a', 'b', 'admin', 'other'] } } });
    await expectRefusal(server, await server.callTool('ping'), { status: 401 });
    await expectRefusal(server, await server.callTool('read-note'), { status: 401, scope: 'a' });
  });

  it.each([
    ['required', { scopes: { required: ['a', 'offline_access'] } }],
    ['supported', { scopes: { supported: ['offline_access'] } }],
    ['implied', { scopes: { hierarchy: { admin: ['offline_access'] } } }],
  ])('MCP-26-RS-11: refuses to start where offline_access is %s', async (_what, options) => {
    const sharedIssuer = await TestIssuer.start(issuer);
    try {
      const error: unknown = await start({ sharedIssuer, options }).catch((reason: unknown) => reason);
      expect(error).toEqual(expect.any(McpAuthConfigError));
      expect((error as Error).message).toMatch(/scopes\.\w+.*"offline_access".*authorization server/s);
    } finally {
      await sharedIssuer.close();
    }
  });

  it('MCP-26-RS-11: refuses offline_access in a decorator, when the class is loaded', () => {
    expect(() => RequireScopes('a', 'offline_access')).toThrow(McpAuthConfigError);
    expect(() => RequireScopes('a', 'offline_access')).toThrow(/"offline_access"/);
  });

  it('MCP-26-RS-11: has offline_access nowhere on the wire', async () => {
    await start({});
    const metadata = await (await fetch(metadataUrlOf(server.resource))).text();
    const token = await server.mint({ scope: 'a' });
    const stepUp = await server.callTool('by-argument', token, { scope: 'offline_access' });
    expect(metadata + stepUp.headers.get('www-authenticate')).not.toContain('offline_access');
  });

  it('RFC9728-5.1-a: advertises an absolute https URL of the configured resource, whatever was used', async () => {
    const resource = 'https://mcp.example.com/notes/mcp';
    await start({ options: { resource } });
    const resourceMetadata = 'https://mcp.example.com/.well-known/oauth-protected-resource/notes/mcp';
    const token = await server.mint({ aud: resource });
    const headers = { host: 'evil.test', 'x-forwarded-proto': 'http', 'x-forwarded-host': 'evil.test' };
    const bare = await server.callTool('ping', undefined, {}, headers);
    await expectRefusal(server, bare, { status: 401, resourceMetadata });
    const poor = await server.callTool('read-note', token, {}, headers);
    await expectRefusal(server, poor, {
      status: 403,
      error: 'insufficient_scope',
      scope: 'a',
      token,
      resourceMetadata,
    });
    const document = await fetch(server.origin + new URL(resourceMetadata).pathname);
    expect(await document.json()).toHaveProperty('resource', resource);
  });

  it('RFC9728-5.1-a: derives nothing from Host, or from an absolute request target', async () => {
    const resource = 'https://mcp.example.com/mcp';
    await start({ options: { resource } });
    const resourceMetadata = 'https://mcp.example.com/.well-known/oauth-protected-resource/mcp';
    const body = JSON.stringify(callOf('ping'));
    const requests = [
      { method: 'GET', path: '/plain', headers: ['Host: evil.test'] },
      { method: 'GET', path: '/plain', headers: ['Host: evil.test:8443', 'X-Forwarded-Host: evil.test'] },
      { method: 'GET', path: '/plain', headers: ['Host:'] },
      { path: '/mcp', headers: ['Host: evil.test', 'Content-Type: application/json'], body },
    ];
    for (const request of requests) {
      const response = await sendRaw(server.origin, request);
      await expectRefusal(server, response, { status: 401, resourceMetadata });
      expect(JSON.stringify([...response.headers]) + response.body).not.toContain('evil.test');
    }
    const absolute = { method: 'GET', path: 'http://evil.test/plain', headers: ['Host: evil.test'] };
    const response = await sendRaw(server.origin, absolute);
    expect(JSON.stringify([...response.headers])).not.toContain('evil.test/.well-known');
    expect(server.ran).toEqual([]);
  });

  it('OA21-5.3.1-b: allows every character of a scope, and of every description, and no others', async () => {
    const scopes = ["!#$%&'()*+,-./:;<=>?@[]^_`{|}~", 'https://mcp.example.com/scopes/read', 'Notes.Read'] as const;
    await start({ tools: [givenTool('odd', { scopes })], options: { exposeErrorDetails: true } });
    const descriptions = new Set<string>();
    for (const [, make] of [...BAD_TOKENS, ['poor', () => server.mint()] as const]) {
      const response = await server.callTool('odd', await make(server));
      expectAllowedCharacters(response);
      const [challenge] = parseChallenges(response.headers.get('www-authenticate') as string);
      descriptions.add(challenge?.params['error_description'] as string);
      expect(challenge?.params['scope']).toBe(scopes.join(' '));
    }
    for (const credentials of ['Bearer "x"', 'Bearer', 'Bearer a b']) {
      expectAllowedCharacters(await post(server.resource, callOf('ping'), { authorization: credentials }));
    }
    // One sentence for nearly every kind of bad token: what is written is not one constant.
    expect(descriptions.size).toBeGreaterThan(12);
  });

  it('RFC6750-3.1-b: uses the registered codes where reasons are exposed too', async () => {
    await start({ options: { exposeErrorDetails: true } });
    for (const [, make] of BAD_TOKENS) {
      const token = await make(server);
      const response = await server.callTool('ping', token);
      const { challenge } = await expectRefusal(server, response, { status: 401, error: 'invalid_token', token });
      expect(challenge?.params['error_description']).toMatch(/ Reason: /);
      resetRecorded(server);
    }
    await expectRefusal(server, await server.callTool('ping'), { status: 401 });
  });
});
