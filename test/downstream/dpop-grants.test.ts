import { describe, expect, it } from '@jest/globals';
import { decodeJwt } from 'jose';
import { startDpopApi } from '../support/dpop-api.js';
import { textOfTool } from '../support/downstream-server.js';
import { startIdJagServer, tokenRequestsAt } from '../support/id-jag-server.js';
import { PLATFORMS } from '../support/platforms.js';

describe.each(PLATFORMS)('Tokens with a key by each grant, on %s', (platform) => {
  it.each([
    ['jwt-bearer', 'ada'],
    ['client-credentials', 'resource-server'],
  ] as const)('RFC9449-5-f: binds a token by %s', async (grant, subject) => {
    const all = await startDpopApi(platform, { notes: { grant } });
    try {
      all.nonce = 'a-nonce';
      const args = { url: `${all.api.origin}/plain` };
      const response = await all.server.callTool('call', await all.server.mint({ sub: 'ada' }), args);
      expect(await textOfTool(response)).toBe(`200 {"subject":"${subject}"}`);
    } finally {
      await all.close();
    }
  });

  it('RFC9449-5-f: binds a token by id-jag, with a proof at the server of the API alone', async () => {
    const server = await startIdJagServer(platform, { dpop: true });
    try {
      const token = await server.signIn('ada');
      const events = async (): Promise<string> => textOfTool(await server.callTool('events', token));
      expect(await events()).toBe('Internal server error');
      expect(server.log.join('\n')).toContain('its token_type is "Bearer", and must be DPoP');
      expect(server.api.calls).toEqual([]);
      server.repair();
      const { answerToken } = server.apiServer;
      server.apiServer.answerToken = (right, form) => ({
        ...(answerToken?.(right, form) as Record<string, unknown>),
        token_type: 'DPoP',
      });
      expect(await events()).toMatch(/^200 /);
      expect(tokenRequestsAt(server.idp).map(({ headers }) => headers['dpop'])).toStrictEqual([undefined]);
      const proofs = tokenRequestsAt(server.apiServer).map(({ headers }) => decodeJwt(String(headers['dpop'])));
      expect(proofs).toMatchObject([{ htm: 'POST', htu: server.apiServer.tokenUri }]);
      expect(server.api.calls).toMatchObject([{ proof: expect.any(String) }]);
    } finally {
      await server.close();
    }
  });
});
