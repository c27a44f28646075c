import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { ResourceTemplate as ResourceTemplateV1 } from '@modelcontextprotocol/sdk/server/mcp.js';
import { ResourceTemplate } from '@modelcontextprotocol/server';
import { Authorize, RequireScopes, type Policy, type PolicyContext } from 'nestjs-mcp-auth';
import { Args, McpPrompt, McpResource, McpTool } from 'nestjs-mcp-auth/sdk';
import { z } from 'zod';
import { expectRefusal, resetRecorded } from '../support/expectations.js';
import { PLATFORMS } from '../support/platforms.js';
import { expectReason } from '../support/tokens.js';
import { listOf, SDKS, startSdkServer, type Era, type Sdk, type SdkServer } from './sdk-server.js';

const ran: string[] = [];
const asked: unknown[] = [];

/** What one owns is one's own; what others own takes a scope; what nobody owns is for nobody. */
const byOwner: Policy = ({ auth, operation, args }: PolicyContext) => {
  asked.push({ ...operation, args });
  const { owner } = args as { owner: string };
  if (owner === 'nobody') return false;
  return owner === auth.subject ? true : [`owner:${owner.toLowerCase()}`];
};

function notesOf(sdk: Sdk): new () => object {
  const Template = sdk === 'v1' ? ResourceTemplateV1 : ResourceTemplate;
  const teams = new Template('teams://{owner}/{member}', {
    list: () => ({
      resources: ['alice', 'bob', 'nobody'].map((owner) => ({ uri: `teams://${owner}/7`, name: owner })),
    }),
    complete: { owner: () => ['alice', 'bob'], member: () => ['carol'] },
  });

  @Injectable()
  class Notes {
    @McpResource({ uriTemplate: 'notes://{owner}/{id}' })
    @RequireScopes('notes:read')
    @Authorize(byOwner)
    note(@Args('id') id: string): object {
      ran.push(`note ${id}`);
      return { contents: [{ uri: 'notes://', text: id }] };
    }

    @McpResource({ uriTemplate: teams, name: 'teams' })
    @Authorize(byOwner)
    team(): object {
      ran.push('team');
      return { contents: [{ uri: 'teams://', text: 'team' }] };
    }

    @McpResource({ uriTemplate: 'other://alice/{id}' })
    @RequireScopes('other:read')
    other(): object {
      ran.push('other');
      return { contents: [] };
    }

    @McpResource({ uri: 'notes://board' })
    @Authorize(({ operation, args }: PolicyContext) => {
      asked.push({ ...operation, args });
      return true;
    })
    board(): object {
      ran.push('board');
      return { contents: [] };
    }

    @McpTool({ name: 'careful', inputSchema: z.object({ at: z.object({ place: z.string() }) }) })
    @RequireScopes('a')
    @Authorize(({ args }: PolicyContext) => [(args as { at: { place: string } }).at.place])
    careful(): string {
      ran.push('careful');
      return 'done';
    }

    @McpPrompt({ name: 'summary', argsSchema: z.object({ owner: z.string() }) })
    @Authorize(byOwner)
    summary(): object {
      ran.push('summary');
      return { messages: [] };
    }
  }
  return Notes;
}

const HOSTS = PLATFORMS.flatMap((platform) => [
  ...SDKS.map((sdk) => ({ platform, sdk, era: '2025-11-25' as Era })),
  { platform, sdk: 'v2' as const, era: '2026-07-28' as Era },
]);

describe.each(HOSTS)(
  'policies of resources, with SDK $sdk and messages of $era on $platform',
  ({ platform, sdk, era }) => {
    let server: SdkServer;
    let hiding: SdkServer;
    beforeAll(async () => {
      const settings = { sdk, platform, providers: [notesOf(sdk)] };
      server = await startSdkServer(settings, ran);
      hiding = await startSdkServer({ ...settings, options: { scopes: { listing: 'hide' } } }, ran);
    });
    afterAll(() => Promise.all([server.close(), hiding.close()]));
    beforeEach(() => {
      resetRecorded(server);
      asked.length = 0;
    });

    const alice = (scope = 'notes:read'): Promise<string> => server.mint({ sub: 'alice', scope });
    const read = async (uri: string, scope?: string): Promise<Response> =>
      server.rpc('resources/read', { uri }, { era, token: await alice(scope) });

    it('MCP-26-RS-09-b: name their scopes in one challenge with the fixed ones', async () => {
      const both = { status: 403, error: 'insufficient_scope', scope: 'notes:read owner:bob' } as const;
      await expectRefusal(server, await read('notes://bob/7', 'other'), both);
      await expectRefusal(server, await read('notes://bob/7', 'notes:read'), both);
      expect((await read('notes://bob/7', 'notes:read owner:bob')).status).toBe(200);
      expect(ran).toEqual(['note 7']);
    });

    it('are asked before dispatch with what the handler gets', async () => {
      expect((await read('notes://alice/a%20b')).status).toBe(200);
      const about = { kind: 'resource-template', name: 'notes://{owner}/{id}', args: { owner: 'alice', id: 'a%20b' } };
      expect(asked).toEqual([about, about]);
      asked.length = 0;
      expect((await read('notes://board')).status).toBe(200);
      const board = { kind: 'resource', name: 'notes://board', args: {} };
      expect(asked).toEqual([board, board]);
    });

    it('refuse before dispatch what they refuse', async () => {
      await expectRefusal(server, await read('notes://nobody/7'), { status: 403 });
      expect(asked).toHaveLength(1);
    });

    it('LIB-16: read a URI as the SDK does', async () => {
      await expectRefusal(server, await read('notes://bo\tb/7'), {
        status: 403,
        error: 'insufficient_scope',
        scope: 'notes:read owner:bob',
      });
      expect((await read('notes://al\tice/7')).status).toBe(200);
      // A template of another scheme is none that the SDK would take.
      expect((await read('notes://alice/7', 'notes:read')).status).toBe(200);
      expect((await read('other://alice/7', 'other:read')).status).toBe(200);
    });

    it('cannot make an error of a refusal, where they do not expect what is sent', async () => {
      const token = await server.mint({ scope: 'other' });
      const response = await server.rpc('tools/call', { name: 'careful', arguments: {} }, { era, token });
      await expectRefusal(server, response, { status: 403, error: 'insufficient_scope', scope: 'a', token });
    });

    it.each(['resources/subscribe', 'resources/unsubscribe'])('hold for %s', async (method) => {
      const send = async (uri: string, scope?: string): Promise<Response> =>
        server.rpc(method, { uri }, { era, token: await alice(scope) });
      await expectRefusal(server, await send('notes://nobody/7'), { status: 403 });
      await expectRefusal(server, await send('notes://bob/7', 'x'), {
        status: 403,
        error: 'insufficient_scope',
        scope: 'notes:read owner:bob',
      });
      expect((await send('notes://alice/7')).status).not.toBe(403);
      // Whoever serves subscriptions may read either spelling.
      asked.length = 0;
      expect((await send('notes://al\tice/7')).status).toBe(403);
      expect(asked).toHaveLength(2);
    });

    it('MCP-26-SUB-02: refuse a subscription to several for one that is forbidden', async () => {
      const listen = async (uris: string[], scope?: string): Promise<Response> =>
        server.rpc(
          'subscriptions/listen',
          { notifications: { resourceSubscriptions: uris } },
          { era, token: await alice(scope) },
        );
      await expectRefusal(server, await listen(['notes://alice/7', 'notes://nobody/7', 'notes://alice/8']), {
        status: 403,
      });
      const both = { status: 403, error: 'insufficient_scope', scope: 'notes:read owner:bob owner:carol' } as const;
      await expectRefusal(server, await listen(['notes://alice/7', 'notes://bob/7', 'notes://carol/8']), both);
      // Of several, none is asked about before the fixed scopes are there.
      asked.length = 0;
      const fixed = { status: 403, error: 'insufficient_scope', scope: 'notes:read' } as const;
      await expectRefusal(server, await listen(['notes://bob/7', 'notes://carol/8'], 'x'), fixed);
      expect(asked).toEqual([]);
      const allowed = await listen(['notes://alice/7', 'notes://alice/8']);
      expect(allowed.status).not.toBe(403);
      await allowed.body?.cancel();
    });

    it('refuse a subscription where the variables cannot be had', async () => {
      const token = await alice('notes:read other:read');
      const uri = `notes://alice/${'7'.repeat(2_100)}`;
      for (const [method, params] of [
        ['resources/subscribe', { uri }],
        ['subscriptions/listen', { notifications: { resourceSubscriptions: [uri] } }],
      ] as const) {
        resetRecorded(server);
        await expectRefusal(server, await server.rpc(method, params, { era, token }), { status: 403, token });
        expectReason(server, 'policy_not_asked');
      }
      resetRecorded(server);
      // To read it there is a handler, where the policy is asked.
      expect((await read(uri, 'notes:read other:read')).status).toBe(200);
      expect(ran).toHaveLength(1);
      expect(asked).toHaveLength(1);
    });

    it('hold for completions, with the variables that the client knows', async () => {
      const complete = async (
        member: string,
        value: string,
        known?: object,
        ref: object = { type: 'ref/resource', uri: 'teams://{owner}/{member}' },
      ) =>
        server.rpc(
          'completion/complete',
          { ref, argument: { name: member, value }, ...(known && { context: { arguments: known } }) },
          { era, token: await alice('x') },
        );
      await expectRefusal(server, await complete('owner', ''), { status: 403 });
      expectReason(server, 'policy_not_asked');
      await expectRefusal(server, await complete('member', 'c', { owner: 'nobody' }), { status: 403 });
      const bobs = { status: 403, error: 'insufficient_scope', scope: 'owner:bob' } as const;
      await expectRefusal(server, await complete('member', 'c', { owner: 'bob' }), bobs);
      expect(asked.at(-1)).toMatchObject({ name: 'teams://{owner}/{member}', args: { owner: 'bob', member: 'c' } });
      const own = await complete('member', 'c', { owner: 'alice' });
      expect({ status: own.status, text: await own.text() }).toMatchObject({
        status: 200,
        text: expect.stringContaining('carol'),
      });
      const prompt = { type: 'ref/prompt', name: 'summary' };
      await expectRefusal(server, await complete('owner', '', { owner: 'nobody' }, prompt), { status: 403 });
    });

    it('hide what is listed of a template as they refuse it', async () => {
      const token = await hiding.mint({ sub: 'alice' });
      const listed = listOf<{ uri: string }>(await hiding.ask('resources/list', {}, { era, token }), 'resources');
      expect(listed.map(({ uri }) => uri)).toEqual(['notes://board', 'teams://alice/7']);
    });
  },
);

describe('what options say about a template', () => {
  const template = new ResourceTemplateV1('teams://{owner}/{member}', {
    list: undefined,
    complete: { member: () => ['carol'] },
  });

  @Injectable()
  class Teams {
    @McpResource({ uriTemplate: template, name: 'teams' })
    team(): object {
      return { contents: [] };
    }

    @McpResource({ uriTemplate: 'plain://{name}', name: 'plain' })
    plain(): object {
      return { contents: [] };
    }
  }

  let server: SdkServer;
  beforeAll(async () => {
    const resources = { 'teams://{a}/{b}': ['teams:read'], 'plain://{name}': ['plain:read'] };
    server = await startSdkServer(
      { sdk: 'v1', providers: [Teams], options: { scopes: { operations: { resources } } } },
      ran,
    );
  });
  afterAll(() => server.close());
  beforeEach(() => resetRecorded(server));

  it.each([
    [
      'completion/complete',
      { ref: { type: 'ref/resource', uri: 'teams://{owner}/{member}' }, argument: { name: 'member', value: '' } },
      'teams:read',
    ],
    ['resources/read', { uri: 'teams://alice/carol' }, 'teams:read'],
    // Text with a comma is a value for the bridge, though not for the SDK.
    ['resources/read', { uri: 'plain://a,b' }, 'plain:read'],
    ['resources/subscribe', { uri: 'plain://a\tb' }, 'plain:read'],
  ])('LIB-16: holds for %s %j, whatever the variables are called', async (method, params, scope) => {
    const response = await server.rpc(method, params, { token: await server.mint({ scope: 'x' }) });
    await expectRefusal(server, response, { status: 403, error: 'insufficient_scope', scope });
    expect((await server.rpc(method, params, { token: await server.mint({ scope }) })).status).toBe(200);
  });
});
