import { afterEach, describe, expect, it } from '@jest/globals';
import { generateKeyPairSync } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import type { DownstreamOptions } from 'nestjs-mcp-auth';
import { generateTestKey } from 'nestjs-mcp-auth/testing';
import {
  AUDIENCE,
  startDownstreamServer,
  textOfTool,
  type DownstreamServer,
  type DownstreamSettings,
} from '../support/downstream-server.js';
import { PLATFORMS } from '../support/platforms.js';

const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';

/** Values that are no token, as a function of the application may return them. */
const NO_TOKENS: readonly [what: string, value: unknown][] = [
  ['nothing', undefined],
  ['empty text', ''],
  ['text with a space', 'canary secret'],
  ['text with a line break', 'canary\r\nsecret'],
  ['text of 20,000 characters', 'canary'.repeat(4_000)],
  ['an object', { toString: () => 'canary' }],
];

describe.each(PLATFORMS)('Grants for an API, on %s', (platform) => {
  let server: DownstreamServer;
  afterEach(() => server.close());

  const start = async (
    calendar: Partial<DownstreamOptions>,
    settings: Omit<DownstreamSettings, 'calendar'> = {},
  ): Promise<void> => {
    server = await startDownstreamServer(platform, { calendar, ...settings });
  };
  const events = async (token: string): Promise<string> => textOfTool(await server.callTool('events', token));
  const forms = (): URLSearchParams[] =>
    server.issuer.requests.filter(({ endpoint }) => endpoint === 'token').map(({ body }) => new URLSearchParams(body));

  describe('jwt-bearer, as Entra ID has it', () => {
    const scopes = [`${AUDIENCE}/calendar.read`];
    // The scopes alone name the API.
    const options: Partial<DownstreamOptions> = { grant: 'jwt-bearer', audience: undefined as never, scopes };

    it('RFC7523-2.1-a: sends the token of the caller as the assertion, and the API gets one for itself', async () => {
      await start(options);
      const token = await server.mint({ sub: 'ada' });
      expect(await events(token)).toBe('200 {"owner":"ada"}');
      expect(forms().map((form) => Object.fromEntries(form))).toEqual([
        {
          grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
          assertion: token,
          requested_token_use: 'on_behalf_of',
          scope: `${AUDIENCE}/calendar.read`,
        },
      ]);
      const [call] = server.api.calls;
      expect(call?.token).not.toBe(token);
      expect(decodeJwt(call!.token)).toMatchObject({ sub: 'ada', aud: [AUDIENCE] });
      expect(server.log.join('\n')).not.toContain(call!.token);
    });

    it('MCP-26-RS-03: two callers get tokens of their own, and a token is used again', async () => {
      await start(options);
      const [ada, bob] = [await server.mint({ sub: 'ada' }), await server.mint({ sub: 'bob' })];
      expect(await events(ada)).toContain('"ada"');
      expect(await events(bob)).toContain('"bob"');
      expect(await events(ada)).toContain('"ada"');
      expect(forms()).toHaveLength(2);
    });

    it('LIB-29: an API that rejects a token gets a new one, once', async () => {
      await start(options);
      const token = await server.mint({ sub: 'ada' });
      await events(token);
      const [first] = server.api.calls;
      server.api.answer = (_request, response, call) => {
        if (call.token !== first?.token) return false;
        response.writeHead(401).end();
        return true;
      };
      expect(await events(token)).toBe('200 {"owner":"ada"}');
      expect(forms()).toHaveLength(2);
    });

    it('LIB-29: takes an invalid request for a fault of the configuration, also after a token was issued', async () => {
      await start(options);
      await events(await server.mint({ sub: 'ada' }));
      server.issuer.answerToken = () => Response.json({ error: 'invalid_request' }, { status: 400 });
      const token = await server.mint({ sub: 'bob' });
      const response = await fetch(`${server.origin}/calendar`, { headers: { authorization: `Bearer ${token}` } });
      expect(response.status).toBe(500);
      expect(server.log.join('\n')).toContain('What to do: see what this authorization server expects');
    });
  });

  describe('actorToken', () => {
    it('RFC8693-2.1-b: sends the token of this server beside that of the caller, a new one for each exchange', async () => {
      let asked = 0;
      await start({ actorToken: async () => server.mint({ sub: `notes-${(asked += 1)}` }) });
      const [ada, bob] = [await server.mint({ sub: 'ada' }), await server.mint({ sub: 'bob' })];
      expect(await events(ada)).toBe('200 {"owner":"ada","act":{"sub":"notes-1"}}');
      expect(await events(bob)).toBe('200 {"owner":"bob","act":{"sub":"notes-2"}}');
      expect(await events(ada)).toBe('200 {"owner":"ada","act":{"sub":"notes-1"}}');
      expect(asked).toBe(2);
      const [form] = forms();
      expect(form?.get('subject_token')).toBe(ada);
      expect(form?.get('actor_token_type')).toBe(ACCESS_TOKEN);
      expect(decodeJwt(form?.get('actor_token') ?? '').sub).toBe('notes-1');
      expect(server.log.join('\n')).not.toContain(form?.get('actor_token'));
    });

    it.each(NO_TOKENS)(
      'LIB-29: sends nothing if the function returns %s, and shows it to nobody',
      async (_what, value) => {
        await start({ actorToken: (() => value) as () => string });
        const token = await server.mint();
        const response = await fetch(`${server.origin}/calendar`, { headers: { authorization: `Bearer ${token}` } });
        expect(response.status).toBe(500);
        expect(await response.text()).not.toContain('canary');
        expect(forms()).toHaveLength(0);
        const log = server.log.join('\n');
        expect(log).toContain(
          'the function actorToken of downstream.calendar must return a token, and returned another',
        );
        expect(log).not.toContain('canary');
      },
    );

    it('LIB-29: shows nothing of a token that it cannot read as JSON', async () => {
      await start({ actorToken: () => JSON.parse('canary-token') as string });
      expect((await server.callTool('events', await server.mint())).status).toBe(200);
      const log = server.log.join('\n');
      expect(log).toContain('the function actorToken of downstream.calendar threw');
      expect(log).not.toContain('canary');
    });

    it('LIB-29: sends nothing if the function throws, and works once it returns a token', async () => {
      let fails = true;
      await start({
        actorToken: async () =>
          fails ? Promise.reject(new Error('the vault is closed')) : server.mint({ sub: 'notes' }),
      });
      const token = await server.mint({ sub: 'ada' });
      const response = await fetch(`${server.origin}/calendar`, { headers: { authorization: `Bearer ${token}` } });
      expect(response.status).toBe(500);
      expect(await response.text()).not.toContain('vault');
      expect(forms()).toHaveLength(0);
      const log = server.log.join('\n');
      expect(log).toContain('the function actorToken of downstream.calendar threw: the vault is closed');
      expect(log).toContain('What to do: let the function actorToken of downstream.calendar return a token');
      fails = false;
      expect(await events(token)).toBe('200 {"owner":"ada","act":{"sub":"notes"}}');
    });
  });

  describe('private_key_jwt', () => {
    it.each(['ES256', 'RS256', 'PS256', 'EdDSA'] as const)(
      'RFC7523-2.2-a: signs an assertion for each request for a token (%s), and sends no secret',
      async (alg) => {
        const { privateKey: key, publicJwk, kid } = await generateTestKey({ alg });
        const privateKey = { ...key.export({ format: 'jwk' }), alg, kid };
        await start(
          { auth: { method: 'private_key_jwt', privateKey } },
          { issuer: { tokenEndpoint: { clientKey: publicJwk } } },
        );
        // The clock of the server, which is not that of the machine, is that of the assertion.
        server.clock.now += 86_400_000;
        expect(await events(await server.mint({ sub: 'ada' }))).toContain('"owner":"ada"');
        expect(await events(await server.mint({ sub: 'bob' }))).toContain('"owner":"bob"');
        const assertions = forms().map((form) => form.get('client_assertion') ?? '');
        expect(new Set(assertions).size).toBe(2);
        const [assertion = ''] = assertions;
        expect(decodeProtectedHeader(assertion)).toMatchObject({ alg, kid });
        const client = { iss: 'resource-server', sub: 'resource-server', aud: server.issuer.issuer };
        expect(decodeJwt(assertion)).toMatchObject(client);
        for (const form of forms()) {
          expect(form.get('client_assertion_type')).toBe('urn:ietf:params:oauth:client-assertion-type:jwt-bearer');
          expect(form.get('client_id')).toBe('resource-server');
          expect(form.has('client_secret')).toBe(false);
        }
        const headers = server.issuer.requests.filter(({ endpoint }) => endpoint === 'token').map((one) => one.headers);
        expect(headers.map(({ authorization }) => authorization)).toStrictEqual([undefined, undefined]);
        expect(server.log.join('\n')).not.toContain(assertion);
      },
    );

    it('RFC7523-2.2-a: tells the operator that the server does not know the key', async () => {
      const known = await generateTestKey({ alg: 'ES256' });
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const pem = privateKey.export({ format: 'pem', type: 'pkcs8' }) as string;
      await start(
        { auth: { method: 'private_key_jwt', privateKey: pem } },
        { issuer: { tokenEndpoint: { clientKey: known.publicJwk } } },
      );
      const token = await server.mint();
      const response = await fetch(`${server.origin}/calendar`, { headers: { authorization: `Bearer ${token}` } });
      expect(response.status).toBe(500);
      const log = server.log.join('\n');
      expect(log).toContain('auth of downstream.calendar is its present secret or key');
      expect(log).not.toContain('PRIVATE KEY');
      expect(log).not.toContain(forms()[0]?.get('client_assertion'));
    });
  });
});
