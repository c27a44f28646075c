import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, Get } from '@nestjs/common';
import { McpAuthConfigError, McpAuthService, ProtectedResource } from 'nestjs-mcp-auth';
import { generateTestKey, TestIssuer } from 'nestjs-mcp-auth/testing';
import { expectRefusal, expectServed, resetRecorded, metadataUrlOf } from '../support/expectations.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { expectAccepted, expectReason, expectRejected, whoami } from '../support/tokens.js';
import {
  startTwoResourcesServer,
  type ResourceUnderTest,
  type TwoResourcesServer,
} from '../support/two-resources-server.js';

// Whose tokens are accepted: with several issuers, with several resources, and of nobody else.

describe.each(PLATFORMS)('two issuers of one resource, on %s', (platform) => {
  let server: NotesServer;
  let first: TestIssuer;
  let second: TestIssuer;
  let stranger: TestIssuer;
  const now = (): number => server.clock.now;

  beforeAll(async () => {
    [first, second, stranger] = await Promise.all([
      TestIssuer.start({ alg: 'ES256', now, path: '/first' }),
      TestIssuer.start({ alg: 'ES256', now, path: '/second' }),
      TestIssuer.start({ alg: 'ES256', now }),
    ]);
    const authorizationServers = [first.issuer, second.issuer];
    server = await startNotesServer(platform, { sharedIssuer: first, options: { authorizationServers } });
  });
  afterAll(async () => {
    await server.close();
    await Promise.all([first, second, stranger].map((issuer) => issuer.close()));
  });
  beforeEach(() => {
    resetRecorded(server);
    server.clock.now += 31_000;
  });

  const mintOf = (issuer: TestIssuer, ...[claims, options]: Parameters<TestIssuer['mint']>): Promise<string> =>
    issuer.mint({ aud: server.resource, ...claims }, options);

  it('RFC8725-3.8-a: verifies the tokens of each issuer with its own keys', async () => {
    await expectAccepted(server, await mintOf(first));
    await expectAccepted(server, await mintOf(second));
  });

  it('RFC8725-3.8-a: refuses a token in the name of one issuer with the signature of another', async () => {
    for (const [named, signer] of [
      [first, second],
      [second, first],
    ] as const) {
      const { key } = signer;
      await expectRejected(server, await mintOf(named, {}, { key }), 'key_unknown');
      await expectRejected(
        server,
        await mintOf(named, {}, { key: { ...key, kid: named.key.kid } }),
        'signature_invalid',
      );
      await expectRejected(server, await mintOf(named, {}, { key, header: { kid: undefined } }), 'signature_invalid');
    }
  });

  it('RFC8725-3.8-a: keeps keys of the same kid apart', async () => {
    const [ours, theirs] = await Promise.all([
      generateTestKey({ alg: 'ES256', kid: 'same' }),
      generateTestKey({ alg: 'ES256', kid: 'same' }),
    ]);
    await first.addKey(ours);
    await second.addKey(theirs);
    await expectAccepted(server, await mintOf(first, {}, { key: ours }));
    await expectAccepted(server, await mintOf(second, {}, { key: theirs }));
    await expectRejected(server, await mintOf(first, {}, { key: theirs }), 'signature_invalid');
    await expectRejected(server, await mintOf(second, {}, { key: ours }), 'signature_invalid');
  });

  it('RFC8725-3.8-a: asks only the issuer the token names, and never one it merely talks about', async () => {
    await expectAccepted(server, await mintOf(first));
    await expectAccepted(server, await mintOf(second));
    server.clock.now += 31_000;
    for (const issuer of [first, second]) issuer.clearRequests();
    await expectRejected(
      server,
      await mintOf(first, { azp: second.issuer }, { header: { kid: second.key.kid } }),
      'key_unknown',
    );
    expect({ first: first.requests.length, second: second.requests.length }).toEqual({ first: 1, second: 0 });
  });

  it('MCP-26-RS-02: refuses a token of an authorization server it does not trust, without a request to it', async () => {
    await expectRejected(server, await mintOf(stranger), 'issuer_unknown');
    await expectRejected(server, await mintOf(stranger, {}, { header: { jku: stranger.jwksUri } }), 'issuer_unknown');
    await expectRejected(server, await mintOf(first, {}, { key: stranger.key }), 'key_unknown');
    await expectRejected(server, await mintOf(stranger, { iss: [first.issuer, stranger.issuer] }), 'issuer_unknown');
    expect(stranger.requests).toEqual([]);
  });

  it('RFC8725-3.8-b: the same sub of two issuers is two principals', async () => {
    const [mine, theirs] = [await whoami(server, await mintOf(first)), await whoami(server, await mintOf(second))];
    expect(mine).toMatchObject({ issuer: first.issuer, subject: 'alice' });
    expect(theirs).toMatchObject({ issuer: second.issuer, subject: 'alice' });
    expect(mine['principalKey']).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(mine['principalKey']).not.toBe(theirs['principalKey']);
  });

  it('RFC8725-3.8-b: the same user is one principal, whatever else the tokens say', async () => {
    const tokens = [{}, { client_id: 'other', scope: 'a' }, { client_id: undefined, email: 'x@example.com' }].map(
      (claims) => mintOf(first, claims),
    );
    const callers = [];
    for (const token of await Promise.all(tokens)) callers.push(await whoami(server, token));
    expect(new Set(callers.map(({ principalKey }) => principalKey)).size).toBe(1);
  });

  it('RFC8725-3.8-b: a client is not the user of the same name', async () => {
    const user = await whoami(server, await mintOf(first, { sub: 'x', client_id: 'y' }));
    const client = await whoami(server, await mintOf(first, { sub: undefined, client_id: 'x' }));
    expect(user['principalKey']).not.toBe(client['principalKey']);
  });
});

describe.each(PLATFORMS)('two resources in one application, on %s', (platform) => {
  let server: TwoResourcesServer;
  let common: TestIssuer;
  let billingOnly: TestIssuer;
  const now = (): number => server.clock.now;

  beforeAll(async () => {
    [common, billingOnly] = await Promise.all([
      TestIssuer.start({ alg: 'ES256', now }),
      TestIssuer.start({ alg: 'ES256', now }),
    ]);
    server = await startTwoResourcesServer(platform, {
      notes: { authorizationServers: [common.issuer] },
      billing: { authorizationServers: [common.issuer, billingOnly.issuer], scopes: { required: ['billing'] } },
    });
  });
  afterAll(async () => {
    await server.close();
    await Promise.all([common, billingOnly].map((issuer) => issuer.close()));
  });
  beforeEach(() => resetRecorded(server.notes));

  const invalid = { status: 401, error: 'invalid_token' } as const;
  const tokenFor = (resource: ResourceUnderTest, claims: object = {}): Promise<string> =>
    common.mint({ aud: resource.resource, scope: 'billing', ...claims });

  /** Asserts that the handler ran, and forgets that it did. */
  async function expectRan(resource: ResourceUnderTest, response: Response, handler: string): Promise<string> {
    const body = await expectServed(resource, response, handler);
    resetRecorded(resource);
    return body;
  }

  it('MCP-26-RS-02: takes at each resource the tokens that were issued for it', async () => {
    const { notes, billing } = server;
    await expectRan(notes, await notes.callTool('ping', await tokenFor(notes)), 'notes ping');
    await expectRan(notes, await notes.getPlain(await tokenFor(notes)), 'notes plain');
    await expectRan(billing, await billing.callTool('ping', await tokenFor(billing)), 'billing ping');
    await expectRan(billing, await billing.getPlain(await tokenFor(billing)), 'billing plain');
  });

  it('MCP-26-RS-02: refuses at each resource the tokens of the other, of the same issuer and with the same scopes', async () => {
    const { notes, billing } = server;
    const [forNotes, forBilling] = [await tokenFor(notes), await tokenFor(billing)];
    await expectRefusal(notes, await notes.callTool('ping', forBilling), { ...invalid, token: forBilling });
    expectReason(notes, 'audience_rejected');
    await expectRefusal(notes, await notes.getPlain(forBilling), { ...invalid, token: forBilling });
    await expectRefusal(billing, await billing.callTool('ping', forNotes), {
      ...invalid,
      scope: 'billing',
      token: forNotes,
    });
    await expectRefusal(billing, await billing.getPlain(forNotes), { ...invalid, scope: 'billing', token: forNotes });
  });

  it('MCP-26-RS-02: takes a token for both resources at both, if it names both', async () => {
    const { notes, billing } = server;
    const token = await common.mint({ aud: [billing.resource, notes.resource], scope: 'billing' });
    await expectRan(notes, await notes.callTool('ping', token), 'notes ping');
    await expectRan(billing, await billing.callTool('ping', token), 'billing ping');
  });

  it('MCP-26-RS-02: refuses a token of an issuer that only the other resource trusts', async () => {
    const { notes, billing } = server;
    const token = await billingOnly.mint({ aud: [billing.resource, notes.resource], scope: 'billing' });
    await expectRan(billing, await billing.callTool('ping', token), 'billing ping');
    await expectRefusal(notes, await notes.callTool('ping', token), { ...invalid, token });
    expectReason(notes, 'issuer_unknown');
  });

  it('MCP-26-RS-02: points at the metadata of the resource that refuses', async () => {
    const { notes, billing } = server;
    for (const resource of [notes, billing]) {
      const expected = { status: 401, resourceMetadata: metadataUrlOf(resource.resource) } as const;
      const scope = resource === billing ? { scope: 'billing' } : {};
      await expectRefusal(resource, await resource.callTool('ping'), { ...expected, ...scope });
      await expectRefusal(resource, await resource.getPlain(), { ...expected, ...scope });
      const document = (await (await fetch(expected.resourceMetadata)).json()) as object;
      expect(document).toMatchObject({ resource: resource.resource });
    }
  });

  it('MCP-26-RS-02: needs at each resource the scopes of its own handlers, where names are the same', async () => {
    const { notes, billing } = server;
    const [reader, writer] = [
      await tokenFor(notes, { scope: 'notes:read' }),
      await tokenFor(billing, { scope: 'billing billing:write' }),
    ];
    await expectRan(notes, await notes.callTool('shared', reader), 'notes shared');
    await expectRan(billing, await billing.callTool('shared', writer), 'billing shared');
    const lacking = { status: 403, error: 'insufficient_scope' } as const;
    const [forNotes, forBilling] = [await tokenFor(notes), await tokenFor(billing)];
    await expectRefusal(notes, await notes.callTool('shared', forNotes), {
      ...lacking,
      scope: 'notes:read',
      token: forNotes,
    });
    const both = { ...lacking, scope: 'billing billing:write', token: forBilling };
    await expectRefusal(billing, await billing.callTool('shared', forBilling), both);
  });

  it('MCP-26-RS-02: does not run a handler that belongs to another resource than the endpoint it is reached through', async () => {
    const { notes, billing } = server;
    const token = await common.mint({ aud: [billing.resource, notes.resource], scope: 'billing' });
    await expectRefusal(billing, await billing.callTool('stray', token), { status: 403, token });
    expectReason(billing, 'resource_mismatch');
  });

  it('MCP-26-RS-02: tells handlers for which resource the token was accepted, and hands them no token that travels by accident', async () => {
    const { notes, billing } = server;
    for (const [resource, handler] of [
      [notes, 'notes whoami'],
      [billing, 'billing whoami'],
    ] as const) {
      const token = await tokenFor(resource);
      const body = await expectRan(resource, await resource.callTool('whoami', token), handler);
      expect(body).toContain(resource.resource);
      expect(body).not.toContain(token);
      expect(body).not.toContain(token.split('.')[2]);
    }
  });

  it('MCP-26-RS-02: verifies for the resource it is asked about, and guesses none', async () => {
    const { app, notes, billing } = server;
    const service = app.get(McpAuthService);
    const token = await tokenFor(notes);
    await expect(service.verify(token, 'notes')).resolves.toMatchObject({
      subject: 'alice',
      resource: new URL(notes.resource),
    });
    await expect(service.verify(token, 'billing')).rejects.toMatchObject({ reason: 'audience_rejected' });
    await expect(service.verify(token)).rejects.toThrow('No protected resource was named');
    await expect(service.verify(token, billing.resource)).rejects.toThrow('No protected resource');
  });
});

describe.each(PLATFORMS)('several resources that do not start, on %s', (platform) => {
  let issuer: TestIssuer;
  let server: NotesServer | undefined;
  beforeAll(async () => {
    issuer = await TestIssuer.start({ alg: 'ES256' });
  });
  afterAll(() => issuer.close());
  afterEach(async () => {
    await server?.close();
    server = undefined;
  });
  const resource = (name: string, more: object = {}): object => ({
    id: name,
    resource: `https://mcp.example.com/${name}`,
    authorizationServers: [issuer.issuer],
    ...more,
  });
  const start = async (
    resources: readonly object[],
    controllers: readonly (new () => object)[] = [],
  ): Promise<void> => {
    const options = { resource: undefined, authorizationServers: undefined, resources } as object;
    server = await startNotesServer(platform, { sharedIssuer: issuer, options, controllers });
  };

  it('MCP-26-RS-02: refuses a protected route that does not say to which of several resources it belongs', async () => {
    const started = start([resource('notes'), resource('billing')]);
    await expect(started).rejects.toThrow(McpAuthConfigError);
    await expect(started).rejects.toThrow('@ProtectedResource() of McpEndpoint');
  });

  it('MCP-26-RS-02: refuses a controller of a resource that does not exist', async () => {
    @Controller('strange')
    @ProtectedResource('strange')
    class StrangeController {
      @Get()
      get(): object {
        return {};
      }
    }
    const started = start([resource('notes')], [StrangeController]);
    await expect(started).rejects.toThrow(McpAuthConfigError);
    await expect(started).rejects.toThrow('"strange"; no resource has this id');
  });

  it.each([
    { what: 'two resources of one id', resources: () => [resource('notes'), resource('billing', { id: 'notes' })] },
    { what: 'two resources of one URL', resources: () => [resource('notes'), resource('notes', { id: 'other' })] },
    { what: 'an empty list', resources: () => [] },
    { what: 'a resource without an issuer', resources: () => [resource('notes', { authorizationServers: [] })] },
    { what: 'a resource without a check of the audience', resources: () => [resource('notes', { audience: [] })] },
  ])('MCP-26-RS-02: refuses $what', async ({ resources }) => {
    await expect(start(resources())).rejects.toThrow(McpAuthConfigError);
  });
});
