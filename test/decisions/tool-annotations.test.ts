import 'reflect-metadata';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Injectable, SetMetadata } from '@nestjs/common';
import { McpController, Tool } from '@rekog/mcp-nest';
import { Authorize, Public, RequireScopes, type PolicyContext } from 'nestjs-mcp-auth';
import { McpSdkBridge, McpTool } from 'nestjs-mcp-auth/sdk';
import { behaviourOf } from '../../lib/core/tool-behaviour.js';
import { expectProblems, withScopes } from '../options/started-app.js';
import { callOverStdio } from '../sdk/over-stdio.js';
import { SDKS, startSdkServer, type SdkServer } from '../sdk/sdk-server.js';
import { expectRefusal, resetRecorded } from '../support/expectations.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';

// The option `scopes.annotations`: scopes of tools by their annotations.

const READ = { annotations: { readOnlyHint: true } };
const ADD = { annotations: { destructiveHint: false } };
const ANNOTATIONS = { readOnlyHint: ['n:read'], additive: ['n:add'], destructiveHint: ['n:write', 'n:audit'] };
const DESTRUCTIVE = 'n:write n:audit';

const done = (): object => ({ content: [{ type: 'text', text: 'done' }] });

@McpController()
class Annotated {
  @Tool({ name: 'read', description: 'Reads', ...READ })
  read(): object {
    return done();
  }

  @Tool({ name: 'add', description: 'Adds', ...ADD })
  add(): object {
    return done();
  }

  @Tool({ name: 'plain', description: 'Says nothing' })
  plain(): object {
    return done();
  }

  @Tool({ name: 'odd', description: 'Contradicts', annotations: { readOnlyHint: true, destructiveHint: true } })
  odd(): object {
    return done();
  }

  @Tool({ name: 'scoped', description: 'Needs a as well', ...READ })
  @RequireScopes('a')
  @Authorize(({ operation }: PolicyContext) => operation?.name === 'scoped')
  scoped(): object {
    return done();
  }

  @Tool({ name: 'open', description: 'For anybody' })
  @Public()
  open(): object {
    return done();
  }
}

@Injectable()
class OfOtherFramework {
  @SetMetadata('__mcp_tool__', { name: 'other-read', ...READ })
  read(): void {}

  @SetMetadata('__mcp_tool__', { name: 'other-write', annotations: 'readOnlyHint' })
  write(): void {}
}

describe.each(PLATFORMS)('scopes by annotations, on %s', (platform) => {
  let server: NotesServer;
  let open: NotesServer;
  let hiding: NotesServer;
  beforeAll(async () => {
    const settings = { issuer: { alg: 'ES256' }, controllers: [Annotated], providers: [OfOtherFramework] } as const;
    const scopes = { annotations: ANNOTATIONS, operations: { tools: { elsewhere: ['x'] } } };
    server = await startNotesServer(platform, { ...settings, options: { scopes } });
    server.strategy.registerTool({ name: 'at-run-time', description: 'Added later', ...READ, handler: done });
    open = await startNotesServer(platform, { ...settings, options: { scopes, allowAnonymous: true } });
    hiding = await startNotesServer(platform, { ...settings, options: { scopes: { ...scopes, listing: 'hide' } } });
  });
  afterAll(() => Promise.all([server.close(), open.close(), hiding.close()]));
  beforeEach(() => resetRecorded(server));

  it.each([
    ['read', 'n:read'],
    ['add', 'n:add'],
    ['plain', DESTRUCTIVE],
    ['odd', 'n:read'],
    ['open', DESTRUCTIVE],
    ['other-read', 'n:read'],
    ['other-write', DESTRUCTIVE],
    ['scoped', 'a n:read'],
    ['no-such-tool', DESTRUCTIVE],
    ['at-run-time', DESTRUCTIVE],
    ['elsewhere', `x ${DESTRUCTIVE}`],
  ])('are needed for %s, and named with those of decorators', async (name, scope) => {
    await expectRefusal(server, await server.callTool(name), { status: 401, scope });
    const token = await server.mint({ scope: 'n:other' });
    const expected = { status: 403, error: 'insufficient_scope', scope } as const;
    await expectRefusal(server, await server.callTool(name, token), expected);
    expect((await server.callTool(name, await server.mint({ scope }))).status).toBe(200);
  });

  it('are not needed for prompts, resources, lists and routes', async () => {
    const authorization = { authorization: `Bearer ${await server.mint()}` };
    expect((await server.rpc('tools/list', {}, authorization)).status).toBe(200);
    expect((await server.rpc('prompts/get', { name: 'no-such' }, authorization)).status).not.toBe(403);
    expect((await server.rpc('resources/read', { uri: 'x://y' }, authorization)).status).not.toBe(403);
    expect((await fetch(`${server.origin}/plain`, { headers: authorization })).status).toBe(200);
  });

  it('are not needed for a public tool where callers need no token', async () => {
    expect((await open.callTool('open')).status).toBe(200);
    expect((await open.callTool('open', await open.mint())).status).toBe(200);
    await expectRefusal(open, await open.callTool('plain'), { status: 401, scope: DESTRUCTIVE });
    await expectRefusal(open, await open.callTool('no-such-tool'), { status: 401, scope: DESTRUCTIVE });
  });

  it('stand in lists, hide tools there, and are advertised', async () => {
    const list = async ({ rpc, mint }: NotesServer): Promise<{ name: string; _meta: object }[]> => {
      const response = await rpc('tools/list', {}, { authorization: `Bearer ${await mint({ scope: 'n:read' })}` });
      return ((await response.json()) as { result: { tools: { name: string; _meta: object }[] } }).result.tools;
    };
    const shown = await list(server);
    const schemes = (name: string): object | undefined => shown.find((tool) => tool.name === name)?._meta;
    expect(schemes('read')).toMatchObject({ securitySchemes: [{ type: 'oauth2', scopes: ['n:read'] }] });
    expect(schemes('plain')).toMatchObject({ securitySchemes: [{ type: 'oauth2', scopes: ['n:write', 'n:audit'] }] });
    expect(schemes('at-run-time')).toMatchObject({ securitySchemes: [{ scopes: ['n:write', 'n:audit'] }] });
    expect((await list(hiding)).map(({ name }) => name).toSorted()).toEqual(['odd', 'read']);
    const metadata = await fetch(new URL('/.well-known/oauth-protected-resource/mcp', server.origin));
    expect(await metadata.json()).toMatchObject({
      scopes_supported: ['a', 'admin', 'b', 'n:add', 'n:audit', 'n:read', 'n:write', 'x'],
    });
  });
});

@Injectable()
class Bridged {
  @McpTool({ ...READ })
  read(): string {
    return 'read';
  }

  @McpTool()
  write(): string {
    return 'written';
  }
}

describe.each(PLATFORMS.flatMap((platform) => SDKS.map((sdk) => ({ platform, sdk }))))(
  'scopes by annotations with SDK $sdk on $platform',
  ({ platform, sdk }) => {
    let server: SdkServer;
    beforeAll(async () => {
      const scopes = { annotations: { readOnlyHint: ['n:read'], destructiveHint: ['n:write'] } };
      server = await startSdkServer({ sdk, platform, providers: [Bridged], options: { scopes } });
    });
    afterAll(() => server.close());

    it('are needed for tools of the bridge', async () => {
      for (const [name, scope] of [
        ['read', 'n:read'],
        ['write', 'n:write'],
      ] as const) {
        const other = await server.mint({ scope: name === 'read' ? 'n:write' : 'n:read' });
        const expected = { status: 403, error: 'insufficient_scope', scope } as const;
        await expectRefusal(server, await server.rpc('tools/call', { name }, { token: other }), expected);
        const { result } = await server.ask('tools/call', { name }, { token: await server.mint({ scope }) });
        expect(result?.isError).toBeFalsy();
      }
    });

    it('are needed at the handler, too, and so nothing runs over stdio without a caller', async () => {
      expect(await callOverStdio(sdk, server.app.get(McpSdkBridge), 'read')).toMatchObject({ isError: true });
    });
  },
);

it.each([
  [{ readOnlyHint: true }, 'read-only'],
  [{ readOnlyHint: true, destructiveHint: true }, 'read-only'],
  [{ destructiveHint: false }, 'additive'],
  [{ readOnlyHint: false, destructiveHint: false }, 'additive'],
  [{}, 'destructive'],
  [{ readOnlyHint: 'true' }, 'destructive'],
  [{ destructiveHint: null }, 'destructive'],
  [Object.create({ readOnlyHint: true }), 'destructive'],
  [undefined, 'destructive'],
  ['readOnlyHint', 'destructive'],
  [[true], 'destructive'],
])('MCP, ToolAnnotations: takes %j for %s', (annotations, behaviour) => {
  expect(behaviourOf(annotations)).toBe(behaviour);
});

it.each([
  ['no group of the unknown', { readOnlyHint: ['r'] }, ['scopes.annotations.destructiveHint', 'nothing', /must name/]],
  ['an empty one', { destructiveHint: [] }, ['scopes.annotations.destructiveHint', '[]', /must name a scope/]],
  ['text', { destructiveHint: 'w' }, ['scopes.annotations.destructiveHint', '"w"', /must be a list/]],
  ['no scope', { destructiveHint: ['a b'] }, ['scopes.annotations.destructiveHint', '"a b"', /visible ASCII/]],
  [
    'an unknown hint',
    { destructiveHint: ['w'], openWorldHint: ['o'] },
    ['scopes.annotations.openWorldHint', 'a value', /no such option/],
  ],
] as const)('stops the start with %s', async (what, annotations, expected) => {
  await expectProblems(what, withScopes({ annotations }), expected);
});
