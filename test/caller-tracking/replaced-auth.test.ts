import { afterEach, describe, expect, it } from '@jest/globals';
import { type NestInterceptor, type Provider } from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import { type McpAuthInfo } from 'nestjs-mcp-auth';
import { answerOf, expectServed, resetRecorded, messagesOf } from '../support/expectations.js';
import { PLATFORMS } from '../support/platforms.js';
import { openSession } from '../support/sessions.js';
import { closeServers, start } from './started-servers.js';

afterEach(closeServers);

/** Says what to put there, from what was there. */
type Replace = (auth: McpAuthInfo) => unknown;

/** An interceptor of the application that replaces `request.auth`. */
function replacing(replace: Replace): Provider[] {
  const intercept: NestInterceptor['intercept'] = (context, next) => {
    const request = context.switchToHttp().getRequest<{ auth: McpAuthInfo; raw?: { auth: unknown } }>();
    const replaced = replace(request.auth) as McpAuthInfo;
    request.auth = replaced;
    if (request.raw) request.raw.auth = replaced;
    return next.handle();
  };
  return [{ provide: APP_INTERCEPTOR, useValue: { intercept } }];
}

describe.each(PLATFORMS)('where the application replaces request.auth, on %s', (platform) => {
  const REPLACEMENTS: [string, Replace][] = [
    ['an empty object', () => ({})],
    ['nothing', () => undefined],
    ['a copy with more scopes', (auth) => ({ ...auth, scopes: ['a', 'b', 'admin'], subject: 'mallory' })],
    ['an heir with more scopes', (auth) => Object.create(auth, { scopes: { value: ['a', 'b', 'admin'] } }) as unknown],
  ];

  it.each(REPLACEMENTS)('tools have the caller all the same: %s', async (_what, replacement) => {
    const server = await start(platform, { providers: replacing(replacement) });
    const token = await server.mint({ scope: 'a' });
    expect(await answerOf(await server.callTool('whoami', token))).toMatchObject({ subject: 'alice', scopes: ['a'] });
    resetRecorded(server);
    await expectServed(server, await server.callTool('read-note', token), 'read-note');
  });

  it.each(REPLACEMENTS)(
    'calls of a session are refused, and not taken for those of its opener: %s',
    async (_what, replacement) => {
      let replace: Replace = (auth) => auth;
      const server = await start(platform, {
        providers: replacing((auth) => replace(auth)),
        transport: { statefulMode: true, enableJsonResponse: true },
      });
      const session = { 'mcp-session-id': await openSession(server, await server.mint({ scope: 'a b admin' })) };
      const token = await server.mint({ scope: 'a' });
      await expectServed(server, await server.callTool('read-note', token, {}, session), 'read-note');
      resetRecorded(server);
      replace = replacement;
      const [message] = messagesOf(await (await server.callTool('read-note', token, {}, session)).text());
      expect(message).toMatchObject({ result: { isError: true, content: [{ text: 'Authorization is required.' }] } });
      expect(server.ran).toEqual([]);
    },
  );

  it.each(REPLACEMENTS)(
    'calls of a session have their caller where callers are followed: %s',
    async (_what, replacement) => {
      const server = await start(platform, {
        providers: replacing(replacement),
        options: { followCaller: true },
        transport: { statefulMode: true },
      });
      const session = { 'mcp-session-id': await openSession(server, await server.mint({ scope: 'a b admin' })) };
      const response = await server.callTool('whoami', await server.mint({ scope: 'a' }), {}, session);
      expect(await answerOf(response)).toMatchObject({ subject: 'alice', scopes: ['a'] });
    },
  );
});
