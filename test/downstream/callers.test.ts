import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { decodeJwt } from 'jose';
import { McpAuthDownstream, type McpAuthInfo } from 'nestjs-mcp-auth';
import { Caller } from '../../lib/caller/caller.js';
import { runInCall } from '../../lib/caller/current-call.js';
import { ResolvedOptions } from '../../lib/options/options.js';
import type { ResolvedResource } from '../../lib/options/resource-options.js';
import { startDownstreamServer, textOfTool, type DownstreamServer } from '../support/downstream-server.js';
import { PLATFORMS } from '../support/platforms.js';

const USERS = Array.from({ length: 20 }, (_, index) => `user-${index}`);

/** An answer that says in text whose token it is, which costs no signature. */
function answersWithSubject(server: DownstreamServer): void {
  let count = 0;
  server.issuer.answerToken = (right, form) => ({
    ...right,
    access_token: `${decodeJwt(form.get('subject_token') ?? '').sub}/${(count += 1)}`,
    expires_in: 31,
  });
}

describe.each(PLATFORMS)('Callers and their tokens for an API, on %s', (platform) => {
  let server: DownstreamServer;
  beforeAll(async () => {
    server = await startDownstreamServer(platform);
    server.api.answer = (_request, response, { token }) => {
      response.end(JSON.stringify({ owner: token }));
      return true;
    };
  });
  afterAll(() => server.close());

  it('LIB-29: gives interleaved requests of several users their own tokens', async () => {
    answersWithSubject(server);
    const tokens = await Promise.all(USERS.map((sub) => server.mint({ sub })));
    const rounds = Array.from({ length: 5 }, () =>
      USERS.map((user, index) => ({ user, token: tokens[index]! })),
    ).flat();
    const owners = await Promise.all(
      rounds.map(async ({ token }) => textOfTool(await server.callTool('events', token))),
    );
    for (const [index, { user }] of rounds.entries()) {
      expect((JSON.parse(owners[index]!.slice(4)) as { owner: string }).owner.split('/')[0]).toBe(user);
    }
  });

  it('LIB-29: never mixes the tokens of 10,000 interleaved calls of several users', async () => {
    answersWithSubject(server);
    const downstream = server.app.get(McpAuthDownstream);
    const options = server.app.get(ResolvedOptions);
    const [resource] = options.resources;
    const callers = await Promise.all(USERS.map((sub) => callerOf(server, resource, sub)));
    const wrong: string[] = [];
    const call = async (index: number): Promise<void> => {
      const caller = callers[index % callers.length]!;
      const admitted = { auth: caller, resource, handler: call };
      const token = await runInCall(admitted, options, async () => {
        // Some calls ask later, in another turn of the event loop.
        if (index % 3 === 0) await new Promise(setImmediate);
        return downstream.tokenFor('calendar');
      });
      if (token.split('/')[0] !== caller.subject) wrong.push(`${caller.subject} got that of ${token}`);
      // Tokens expire and are forgotten in between.
      if (index % 500 === 0) server.clock.now += 1_000;
      if (index % 700 === 0) downstream.forget(caller.principalKey);
    };
    for (let begin = 0; begin < 10_000; begin += 250) {
      await Promise.all(Array.from({ length: 250 }, (_, offset) => call(begin + offset)));
    }
    expect(wrong).toEqual([]);
    expect(server.issuer.requestCount('token')).toBeGreaterThan(USERS.length * 2);
  });
});

/** The caller that the guard would create for a new token. */
async function callerOf(server: DownstreamServer, resource: ResolvedResource, sub: string): Promise<McpAuthInfo> {
  const token = await server.mint({ sub });
  const claims = decodeJwt(token) as Record<string, unknown>;
  return new Caller(
    token,
    {
      issuer: server.issuer.issuer,
      subject: sub,
      clientId: 'test-client',
      audience: [server.resource],
      scopes: [],
      expiresAt: claims['exp'] as number,
      claims,
    },
    resource,
    {},
  );
}
