import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, Injectable, SetMetadata } from '@nestjs/common';
import { McpController, Tool } from '@rekog/mcp-nest';
import { decodeJwt } from 'jose';
import { DownstreamToken, Public, type McpAuthModuleOptions } from 'nestjs-mcp-auth';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { CalendarApi, calendarAt, textOfTool } from '../support/downstream-server.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';

/** Whose token it is. A real handler never answers a token or a part of it. */
function ownerOf(token: string): object {
  return { content: [{ type: 'text', text: String(decodeJwt(token).sub) }] };
}

@McpController()
class Tools {
  @Tool({ name: 'injected', description: 'Gets the token as a parameter' })
  injected(@DownstreamToken('calendar') token: string): object {
    return ownerOf(token);
  }
}

/** Its framework calls methods itself. */
@Injectable()
class DirectTools {
  @SetMetadata('mcp:tool', { name: 'direct' })
  direct(@DownstreamToken('calendar') token?: string): object {
    return ownerOf(token ?? '');
  }
}

@Controller('parameter')
class Routes {
  constructor(private readonly tools: DirectTools) {}

  @Get()
  injected(@DownstreamToken('calendar') token: string): object {
    return ownerOf(token);
  }

  @Get('direct')
  direct(): object {
    return this.tools.direct();
  }

  @Get('public')
  @Public()
  open(@DownstreamToken('itself') token: string): object {
    return ownerOf(token);
  }
}

describe.each(PLATFORMS)('@DownstreamToken(), on %s', (platform) => {
  let server: NotesServer;
  let issuer: TestIssuer;
  let api: CalendarApi;
  beforeAll(async () => {
    issuer = await TestIssuer.start({ alg: 'ES256', tokenEndpoint: true });
    api = await CalendarApi.start();
    const calendar = calendarAt(issuer, api);
    server = await startNotesServer(platform, {
      sharedIssuer: issuer,
      options: {
        authorizationServers: [issuer.issuer],
        downstream: { calendar, itself: { ...calendar, grant: 'client-credentials' } },
      } as Partial<McpAuthModuleOptions>,
      controllers: [Tools, Routes],
      providers: [DirectTools],
    });
  });
  afterAll(async () => {
    await server.close();
    await issuer.close();
    await api.close();
  });
  beforeEach(() => {
    issuer.answerToken = undefined;
  });

  const get = async (path: string, token?: string): Promise<Response> =>
    fetch(
      `${server.origin}/parameter${path}`,
      token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } },
    );

  it('injects the token of the caller into a tool, a route, and a method that its framework calls', async () => {
    const token = await server.mint({ sub: 'ada' });
    expect(await textOfTool(await server.callTool('injected', token))).toBe('ada');
    for (const path of ['', '/direct']) expect(await (await get(path, token)).text()).toContain('"text":"ada"');
  });

  it('injects the token of this server into a public route', async () => {
    expect(await (await get('/public')).text()).toContain('"text":"resource-server"');
  });

  it('answers the client, and does not run the handler, if none is issued', async () => {
    issuer.answerToken = () => Response.json({ error: 'invalid_grant' }, { status: 400 });
    const token = await server.mint({ sub: 'bob' });
    expect((await server.callTool('injected', token)).status).toBe(401);
    const response = await get('', token);
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toContain('error="invalid_token"');
  });
});
