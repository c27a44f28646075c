import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, Get } from '@nestjs/common';
import { McpController, Tool } from '@rekog/mcp-nest';
import { McpAuthConfigError, Public, RequireAnyScope, RequireScopes } from 'nestjs-mcp-auth';
import { expectRefusal, expectServed, resetRecorded } from '../support/expectations.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { bearer } from '../support/rpc.js';

const issuer = { alg: 'ES256' } as const;
const text = (value: string): object => ({ content: [{ type: 'text', text: value }] });

describe.each(PLATFORMS)('Precedence of class and method, on %s', (platform) => {
  const reached: string[] = [];

  @Controller('public-class')
  @Public()
  class PublicController {
    @Get()
    open(): object {
      reached.push('open');
      return { ok: true };
    }

    @Get('scoped')
    @RequireScopes('a')
    scoped(): object {
      reached.push('scoped');
      return { ok: true };
    }
  }

  @Controller('scoped-class')
  @RequireScopes('a')
  class ScopedController {
    @Get()
    get(): object {
      reached.push('get');
      return { ok: true };
    }

    @Get('more')
    @RequireScopes('b', 'c')
    more(): object {
      reached.push('more');
      return { ok: true };
    }

    @Get('either')
    @RequireAnyScope('b', 'c')
    either(): object {
      reached.push('either');
      return { ok: true };
    }

    @Get('twice')
    @RequireScopes('c')
    @RequireScopes('b')
    twice(): object {
      reached.push('twice');
      return { ok: true };
    }

    @Get('open')
    @Public()
    open(): object {
      reached.push('open');
      return { ok: true };
    }
  }

  @Controller('derived-class')
  class DerivedController extends ScopedController {
    @Get('own')
    own(): object {
      reached.push('own');
      return { ok: true };
    }
  }

  @McpController()
  @RequireScopes('class')
  class ScopedTools {
    @Tool({ name: 'of-class', description: 'What the class needs' })
    ofClass(): object {
      reached.push('of-class');
      return text('ok');
    }

    @Tool({ name: 'of-both', description: 'What class and method need' })
    @RequireScopes('method')
    ofBoth(): object {
      reached.push('of-both');
      return text('ok');
    }
  }

  @McpController()
  @Public()
  class PublicTools {
    @Tool({ name: 'of-public-class', description: 'Public by its class' })
    ofPublicClass(): object {
      reached.push('of-public-class');
      return text('ok');
    }

    @Tool({ name: 'public-by-itself', description: 'Public by itself' })
    @Public()
    publicByItself(): object {
      reached.push('public-by-itself');
      return text('ok');
    }
  }

  let server: NotesServer;
  let witness: Pick<NotesServer, 'ran' | 'log' | 'resource'>;
  const get = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(server.origin + path, { headers });

  beforeAll(async () => {
    const controllers = [PublicController, ScopedController, DerivedController, ScopedTools, PublicTools];
    server = await startNotesServer(platform, { issuer, controllers });
    witness = { ran: reached, log: server.log, resource: server.resource };
  });
  afterAll(() => server.close());
  beforeEach(() => {
    resetRecorded(server);
    reached.length = 0;
  });

  it('opens what is public by its class, and ignores a token there, bad or good', async () => {
    for (const headers of [{}, bearer('garbage'), { authorization: 'Bearer a b' }]) {
      reached.length = 0;
      await expectServed(witness, await get('/public-class', headers), 'open');
    }
  });

  it('protects a method with requirements in a public class', async () => {
    await expectRefusal(witness, await get('/public-class/scoped'), { status: 401, scope: 'a' });
    const response = await get('/public-class/scoped', bearer(await server.mint({ scope: 'a' })));
    await expectServed(witness, response, 'scoped');
  });

  it('opens a public method in a class with requirements', async () => {
    await expectServed(witness, await get('/scoped-class/open'), 'open');
  });

  it.each([
    ['', 'a', 'get'],
    ['/more', 'a b c', 'more'],
    ['/either', 'a b', 'either'],
    ['/twice', 'a b c', 'twice'],
  ])('adds what the class needs to what the method needs: %s', async (path, scope, handler) => {
    await expectRefusal(witness, await get(`/scoped-class${path}`), { status: 401, scope });
    const withoutClass = await server.mint({ scope: scope.replace('a', '') });
    const expected = { status: 403, error: 'insufficient_scope', scope, token: withoutClass } as const;
    await expectRefusal(witness, await get(`/scoped-class${path}`, bearer(withoutClass)), expected);
    await expectServed(witness, await get(`/scoped-class${path}`, bearer(await server.mint({ scope }))), handler);
  });

  it('protects the routes of a derived class as its base class says', async () => {
    await expectRefusal(witness, await get('/derived-class'), { status: 401, scope: 'a' });
    await expectRefusal(witness, await get('/derived-class/more'), { status: 401, scope: 'a b c' });
    await expectRefusal(witness, await get('/derived-class/own'), { status: 401, scope: 'a' });
    await expectServed(witness, await get('/derived-class/open'), 'open');
  });

  it('adds the scopes of a class of tools to those of each tool', async () => {
    await expectRefusal(witness, await server.callTool('of-class'), { status: 401, scope: 'class' });
    const token = await server.mint({ scope: 'class' });
    const refused = await server.callTool('of-both', token);
    await expectRefusal(witness, refused, { status: 403, error: 'insufficient_scope', scope: 'class method', token });
    await expectServed(witness, await server.callTool('of-class', token), 'of-class');
  });

  it.each(['of-public-class', 'public-by-itself'])(
    'asks for a token on the MCP endpoint even where the tool is public, unless anonymous callers are let in: %s',
    async (name) => {
      await expectRefusal(witness, await server.callTool(name), { status: 401 });
      await expectServed(witness, await server.callTool(name, await server.mint()), name);
    },
  );

  it('refuses to start where one and the same class or method is both public and protected', async () => {
    @Controller('contradiction')
    class ContradictingController {
      @Get()
      @Public()
      @RequireScopes('a')
      get(): object {
        return {};
      }
    }
    const start = startNotesServer(platform, { sharedIssuer: server.issuer, controllers: [ContradictingController] });
    const error: unknown = await start.catch((reason: unknown) => reason);
    expect(error).toEqual(expect.any(McpAuthConfigError));
    expect((error as Error).message).toContain('ContradictingController.get');
  });
});
