import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Payload } from '@nestjs/microservices';
import { McpController, ResourceTemplate, Tool } from '@rekog/mcp-nest';
import { Authorize, McpAuthError, RequireScopes, type Policy, type PolicyContext } from 'nestjs-mcp-auth';
import { z } from 'zod';
import { expectRefusal, resetRecorded } from './support/expectations.js';
import { startNotesServer, type NotesServer } from './support/notes-server.js';
import { PLATFORMS } from './support/platforms.js';
import { expectReason } from './support/tokens.js';

const ran: unknown[] = [];
const asked: unknown[] = [];

/** Decides by the arguments, and keeps with what it was asked. */
const byFolder: Policy = ({ operation, args }: PolicyContext) => {
  asked.push({ operation, args });
  const { folder, id } = args as { folder?: unknown; id?: unknown };
  if (id === 'secret') return false;
  return folder === 'own' || id !== undefined ? true : [`folder:${String(folder)}`];
};

@McpController()
class FolderHandlers {
  @Tool({
    name: 'open-folder',
    description: 'Opens a folder; its name is trimmed on the way',
    parameters: z.object({ folder: z.string().trim().default('own') }),
  })
  @Authorize(byFolder)
  open(@Payload() args: object): object {
    ran.push(args);
    return { content: [] };
  }

  @ResourceTemplate({ uriTemplate: 'folder://{id}', name: 'folder' })
  @Authorize(byFolder)
  read(@Payload() args: { id: string }): object {
    ran.push(args.id);
    return { contents: [] };
  }

  @ResourceTemplate({ uriTemplate: 'shared://{owner}/{id}', name: 'shared' })
  @RequireScopes('shared:read')
  @Authorize(({ args }: PolicyContext) => [`owner:${(args as { owner: string }).owner}`])
  shared(@Payload() args: { id: string }): object {
    ran.push(args.id);
    return { contents: [] };
  }

  @Tool({ name: 'raises', description: 'Finds out late that more is needed' })
  raises(): never {
    throw McpAuthError.insufficientScope('late:scope');
  }

  @Tool({ name: 'upstream', description: 'Is told by a service behind it that the token there expired' })
  upstream(): never {
    throw McpAuthError.upstreamRejected(new Error('the token of the upstream expired'));
  }
}

describe.each(PLATFORMS)('decisions from arguments, on %s', (platform) => {
  let server: NotesServer;
  beforeAll(async () => {
    server = await startNotesServer(platform, {
      issuer: { alg: 'ES256' },
      controllers: [FolderHandlers],
      inheritAppConfig: true,
    });
  });
  afterAll(() => server.close());
  beforeEach(() => {
    resetRecorded(server);
    ran.length = 0;
    asked.length = 0;
  });

  const call = async (args: object, scope = ''): Promise<Response> =>
    server.callTool('open-folder', await server.mint({ scope }), args);
  const read = async (uri: string): Promise<Response> =>
    server.rpc('resources/read', { uri }, { authorization: `Bearer ${await server.mint()}` });

  it('are asked for before dispatch with what was sent, and at the handler with what was validated', async () => {
    expect((await call({ folder: 'x', more: 1 }, 'folder:x')).status).toBe(200);
    const operation = { kind: 'tool', name: 'open-folder' };
    expect(asked).toMatchObject([
      { operation, args: { folder: 'x', more: 1 } },
      { operation, args: { folder: 'x' } },
    ]);
    expect(ran).toEqual([{ folder: 'x' }]);
  });

  it('ask for the scope that these arguments need', async () => {
    await expectRefusal(server, await call({ folder: 'x' }), {
      status: 403,
      error: 'insufficient_scope',
      scope: 'folder:x',
    });
    expect(ran).toEqual([]);
  });

  it('never favour the caller where validation changes what the policy sees', async () => {
    // Before dispatch " own" asks for a scope, which the caller has; validated it is another folder than that.
    await expectRefusal(server, await call({ folder: ' own' }), { status: 403 });
    // What is missing is filled in by the schema; before dispatch the policy saw nothing, and asked for a scope.
    await expectRefusal(server, await call({}), {
      status: 403,
      error: 'insufficient_scope',
      scope: 'folder:undefined',
    });
    const trimmed = await call({ folder: ' x ' }, 'folder:x');
    expect(trimmed.status).toBe(403);
    expect(ran).toEqual([]);
  });

  it('of a resource template are asked for with its variables, before dispatch and at the handler alike', async () => {
    expect((await read('FOLDER://a%20b/')).status).toBe(200);
    const about = {
      operation: { kind: 'resource-template', name: 'folder://{id}' },
      args: { id: 'a b', uri: 'FOLDER://a%20b/' },
    };
    expect(asked).toMatchObject([about, about]);
    expect(ran).toEqual(['a b']);
    asked.length = 0;
    await expectRefusal(server, await read('folder://secret'), { status: 403 });
    expect(asked).toHaveLength(1);
    expect(ran).toEqual(['a b']);
  });

  it('MCP-26-RS-09-b: of a template ask in one challenge with what its decorators need, before dispatch', async () => {
    const scope = 'shared:read owner:bob';
    for (const granted of ['other', 'shared:read', 'owner:bob']) {
      for (const method of ['resources/read', 'resources/subscribe']) {
        const authorization = { authorization: `Bearer ${await server.mint({ scope: granted })}` };
        const response = await server.rpc(method, { uri: 'shared://bob/7' }, authorization);
        await expectRefusal(server, response, { status: 403, error: 'insufficient_scope', scope });
      }
    }
    expect(ran).toEqual([]);
    const authorization = { authorization: `Bearer ${await server.mint({ scope })}` };
    expect((await server.rpc('resources/read', { uri: 'shared://bob/7' }, authorization)).status).toBe(200);
    expect(ran).toEqual(['7']);
  });

  it('of a template hold for subscriptions, which reach no handler', async () => {
    const send = async (method: string, params: object): Promise<Response> =>
      server.rpc(method, params, { authorization: `Bearer ${await server.mint()}` });
    for (const method of ['resources/subscribe', 'resources/unsubscribe']) {
      await expectRefusal(server, await send(method, { uri: 'folder://secret' }), { status: 403 });
      // The framework could not decode it, so that nobody knows what it stands for.
      await expectRefusal(server, await send(method, { uri: 'folder://%E0%A4%A' }), { status: 403 });
      expectReason(server, 'policy_not_asked');
      expect((await send(method, { uri: 'folder://7' })).status).not.toBe(403);
    }
    const listen = { notifications: { resourceSubscriptions: ['folder://7', 'other://8/', 'folder://secret'] } };
    await expectRefusal(server, await send('subscriptions/listen', listen), { status: 403 });
    expect(ran).toEqual([]);
  });

  it('can be raised by a handler, and reach the client as the status it acts on', async () => {
    const token = await server.mint();
    const late = await server.callTool('raises', token);
    expect(late.status).toBe(403);
    expect(late.headers.get('www-authenticate')).toMatch(/^Bearer error="insufficient_scope", .*scope="late:scope"/);
    const upstream = await server.callTool('upstream', token);
    expect(upstream.status).toBe(401);
    expect(upstream.headers.get('www-authenticate')).toMatch(/^Bearer error="invalid_token"/);
    expect(await upstream.json()).toMatchObject({
      result: { isError: true, _meta: { 'mcp/www_authenticate': [expect.any(String)] } },
    });
  });
});
