import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { TestDpopKey } from 'nestjs-mcp-auth/testing';
import { startIntrospectingServer, type IntrospectingServer } from '../support/introspection.js';
import { PLATFORMS } from '../support/platforms.js';
import { expectAccepted, expectReason } from '../support/tokens.js';

const withoutKey = (right: Readonly<Record<string, unknown>>): object => ({ ...right, cnf: undefined });

/** Expects a refusal for this reason, whatever schemes the challenge offers. */
async function expectRefused(server: IntrospectingServer, token: string): Promise<void> {
  expect((await server.callTool('ping', token)).status).toBe(401);
  expectReason(server, 'sender_constrained');
}

describe.each(PLATFORMS)('8. DPoP with introspection, on %s', (platform) => {
  describe.each(['off', 'accepted'] as const)('%s', (dpop) => {
    let server: IntrospectingServer;
    let key: TestDpopKey;

    beforeAll(async () => {
      server = await startIntrospectingServer(platform, { options: { dpop } });
      key = await TestDpopKey.generate();
    });
    afterAll(() => server.close());
    afterEach(() => {
      server.issuer.answerIntrospection = undefined;
    });

    it('RFC9449-7.2-a: refuses a JWT with a key as a Bearer token if the answer leaves the key out', async () => {
      server.issuer.answerIntrospection = withoutKey;
      await expectAccepted(server, await server.mint());
      await expectRefused(server, await server.mint({ cnf: key.confirmation }));
    });

    it('RFC9449-7.2-a: refuses a token of the type DPoP whose answer names no key', async () => {
      server.issuer.answerIntrospection = (right) => ({ ...right, token_type: 'DPoP' });
      await expectRefused(server, server.opaque());
    });
  });

  it('RFC9449-6.2: takes the key from the answer', async () => {
    const server = await startIntrospectingServer(platform, { options: { dpop: 'required' } });
    const key = await TestDpopKey.generate();
    const token = server.opaque({ cnf: key.confirmation, token_type: 'DPoP' });
    const url = `${server.origin}/plain`;
    const call = (by: TestDpopKey): Promise<Response> => {
      const claims = { iat: Math.floor(server.clock.now / 1000) };
      const proof = by.proof({ method: 'GET', url, token, claims });
      return fetch(url, { headers: { authorization: `DPoP ${token}`, dpop: proof } });
    };
    expect((await call(key)).status).toBe(200);
    expect((await call(await TestDpopKey.generate())).status).toBe(401);
    await server.close();
  });
});
