import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { McpAuthDownstream, McpAuthService } from 'nestjs-mcp-auth';
import { CalendarApi, startDownstreamServer, textOfTool, type DownstreamServer } from '../support/downstream-server.js';
import { PLATFORMS } from '../support/platforms.js';

describe.each(PLATFORMS)('McpAuthDownstream.fetch, on %s', (platform) => {
  let server: DownstreamServer;
  let elsewhere: CalendarApi;
  beforeAll(async () => {
    elsewhere = await CalendarApi.start();
    server = await startDownstreamServer(platform);
  });
  afterAll(async () => {
    await server.close();
    await elsewhere.close();
  });
  beforeEach(() => {
    server.api.calls.length = 0;
    server.api.answer = () => false;
    elsewhere.calls.length = 0;
  });

  const events = async (url?: string): Promise<string> =>
    textOfTool(await server.callTool('events', await server.mint(), url === undefined ? {} : { url }));
  /** What the log says about a call that failed, of which the client gets nothing. */
  const said = async (url: string): Promise<string> => {
    server.log.length = 0;
    expect(await events(url)).toBe('Internal server error');
    return server.log.join('\n');
  };
  const redirectTo = (location: string, status = 302): void => {
    server.api.answer = (_request, response, { path }) => {
      if (path === '/events') response.writeHead(status, { location }).end();
      return path === '/events';
    };
  };

  it('MCP-26-RS-03: sends the token to no other origin', async () => {
    for (const url of [`${elsewhere.origin}/events`, server.api.origin.replace('127.0.0.1', 'localhost'), 'data:,x']) {
      expect(await said(url)).toContain('may not be sent to');
    }
    expect(await said(server.api.origin.replace('//', '//user:secret@'))).toContain('may not be sent to');
    expect(await said('/events')).toContain('not absolute');
    expect([...elsewhere.calls, ...server.api.calls]).toEqual([]);
  });

  it('MCP-26-RS-03: follows no redirect to another origin', async () => {
    redirectTo(`${elsewhere.origin}/events`);
    expect(await events()).toBe('302 ');
    expect(elsewhere.calls).toEqual([]);
  });

  it('follows a redirect within the API', async () => {
    redirectTo('/moved');
    expect(await events()).toContain('200');
    expect(server.api.calls.map(({ path }) => path)).toEqual(['/events', '/moved']);
  });

  it('ends a redirect that goes in a circle', async () => {
    redirectTo('/events');
    expect(await events()).toBe('302 ');
    expect(server.api.calls).toHaveLength(6);
  });

  it('LIB-29: refuses the call if the token of the caller expires while the API answers', async () => {
    const token = await server.mint({ exp: Math.floor(server.clock.now / 1000) + 60 });
    server.api.answer = (_request, response) => {
      server.clock.now += 120_000;
      response.writeHead(401).end();
      return true;
    };
    const refused = await server.callTool('events', token);
    expect(refused.status).toBe(401);
    expect(refused.headers.get('www-authenticate')).toMatch(/^Bearer error="invalid_token"/);
    expect(await refused.text()).not.toContain(token);
    expect(server.api.calls).toHaveLength(1);
  });

  it('gets a new token after a 401, once', async () => {
    let refusals = 1;
    server.api.answer = (_request, response) => {
      if (refusals-- > 0) response.writeHead(401).end();
      return refusals >= 0;
    };
    expect(await events()).toContain('200');
    const [first, second] = server.api.calls;
    expect(second!.token).not.toBe(first!.token);
    refusals = 5;
    server.api.calls.length = 0;
    expect(await events()).toBe('401 ');
    expect(server.api.calls).toHaveLength(2);
  });

  it('sends a body again, and no stream', async () => {
    server.api.answer = (_request, response) => {
      response.writeHead(401).end();
      return true;
    };
    const downstream = server.app.get(McpAuthDownstream);
    const caller = await server.app.get(McpAuthService).verify(await server.mint());
    const url = `${server.api.origin}/events`;
    await downstream.fetch('calendar', url, { method: 'POST', body: 'a body' }, caller);
    expect(server.api.calls.map(({ body }) => body)).toEqual(['a body', 'a body']);
    const stream = new Blob(['a stream']).stream();
    await downstream.fetch('calendar', url, { method: 'POST', body: stream, duplex: 'half' } as RequestInit, caller);
    expect(server.api.calls).toHaveLength(3);
  });

  it('refuses a Request in place of the options, whose body it would lose', async () => {
    const downstream = server.app.get(McpAuthDownstream);
    const caller = await server.app.get(McpAuthService).verify(await server.mint());
    const url = `${server.api.origin}/events`;
    const request = new Request(url, { method: 'POST', body: 'a body' });
    await expect(downstream.fetch('calendar', url, request, caller)).rejects.toThrow(/is a Request. Write an object/);
    await expect(downstream.fetch('calendar', request as never, {}, caller)).rejects.toThrow(/not absolute/);
    expect(server.api.calls).toEqual([]);
  });

  it('refuses a header Authorization of the tool, and a caller that is not that of a request', async () => {
    const downstream = server.app.get(McpAuthDownstream);
    const caller = await server.app.get(McpAuthService).verify(await server.mint());
    const headers = { Authorization: 'Bearer x' };
    await expect(downstream.fetch('calendar', `${server.api.origin}/`, { headers }, caller)).rejects.toThrow(
      /Leave it out/,
    );
    await expect(downstream.tokenFor('calendar', { ...caller })).rejects.toThrow(/not the object that @AuthInfo/);
    await expect(downstream.tokenFor('calendar')).rejects.toThrow(/outside of a request/);
    await expect(downstream.tokenFor('toString', caller)).rejects.toThrow(/has no API "toString"; it has "calendar"/);
    expect(server.api.calls).toEqual([]);
  });

  it('sends nothing without origins', async () => {
    const without = await startDownstreamServer(platform, { calendar: { origins: undefined } as never });
    try {
      const response = await without.callTool('events', await without.mint());
      expect(await textOfTool(response)).toBe('Internal server error');
      expect(without.log.join('\n')).toContain('list it in downstream.calendar.origins');
      expect(without.api.calls).toEqual([]);
    } finally {
      await without.close();
    }
  });
});
