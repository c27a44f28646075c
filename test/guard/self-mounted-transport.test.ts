import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type INestApplication } from '@nestjs/common';
import { expectRefusal, expectServed, resetRecorded, metadataUrlOf } from '../support/expectations.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { ROLE_GATED } from '../support/policy-tools.js';
import { bearer, rpcTo } from '../support/rpc.js';
import { resultOf, challengesOf } from '../support/tool-results.js';

const issuer = { alg: 'ES256' } as const;

describe.each(PLATFORMS)('A transport that mounts itself past the guards of NestJS, on %s', (platform) => {
  const transport = { mount: true, endpoint: '/self-mounted' };
  let server: NotesServer;
  beforeAll(async () => {
    server = await startNotesServer(platform, {
      issuer,
      transport,
      options: { allowUnguardedMounts: true },
      tools: [ROLE_GATED],
    });
  });
  afterAll(() => server.close());
  beforeEach(() => resetRecorded(server));

  const call = (name: string, headers: Record<string, string> = {}): Promise<Response> =>
    rpcTo(`${server.origin}/self-mounted`)('tools/call', { name, arguments: {} }, headers);

  it.each([
    ['read-note', 'a'],
    ['write-note', 'a b'],
    ['forbidden', undefined],
    ['role-gated', undefined],
  ])('refuses the decorated tool %s at the handler, with a challenge in the result', async (name, scope) => {
    const token = await server.mint({ scope: 'a b', roles: ['x'] });
    // A good token does not help: nobody has verified it.
    for (const headers of [{}, bearer('garbage'), bearer(token)]) {
      const result = await resultOf(await call(name, headers));
      expect(result.isError).toBe(true);
      const resource_metadata = metadataUrlOf(server.resource);
      expect(challengesOf(result)).toEqual([
        { scheme: 'Bearer', params: { ...(scope !== undefined && { scope }), resource_metadata } },
      ]);
    }
    expect(server.ran).toEqual([]);
  });

  it('takes nothing for a caller that was put on the request by somebody else', async () => {
    const forging = await startNotesServer(platform, {
      issuer,
      prepare: (app: INestApplication) => {
        app.use((request: { auth?: unknown; user?: unknown }, _response: unknown, next: () => void) => {
          request.auth = { subject: 'mallory', scopes: ['a', 'b', 'admin'] };
          request.user = { id: 'mallory' };
          next();
        });
      },
    });
    try {
      await expectRefusal(forging, await forging.callTool('read-note'), { status: 401, scope: 'a' });
      await expectRefusal(forging, await fetch(`${forging.origin}/plain`), { status: 401 });
      const response = await fetch(`${forging.origin}/plain`, { headers: bearer(await forging.mint()) });
      expect(await expectServed(forging, response, 'plain')).toBe('{"subject":"alice"}');
    } finally {
      await forging.close();
    }
  });
});
