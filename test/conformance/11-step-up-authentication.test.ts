import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { McpController, Tool } from '@rekog/mcp-nest';
import {
  authorizationDetails,
  Authorize,
  McpAuthConfigError,
  RequireAuthentication,
  RequireScopes,
  type PolicyContext,
} from 'nestjs-mcp-auth';
import { expectRefusal } from '../support/expectations.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';

const ran: string[] = [];

@McpController()
class SensitiveTools {
  @Tool({ name: 'strong', description: 'Needs strong authentication' })
  @RequireAuthentication({ acr: ['urn:x:hardware', 'urn:x:mfa'] })
  strong(): object {
    ran.push('strong');
    return { content: [] };
  }

  @Tool({ name: 'recent', description: 'Needs recent authentication' })
  @RequireAuthentication({ maxAgeSeconds: 60 })
  recent(): object {
    ran.push('recent');
    return { content: [] };
  }

  @Tool({ name: 'strong-and-scoped', description: 'Needs both, and a scope' })
  @RequireAuthentication({ acr: 'urn:x:mfa', maxAgeSeconds: 0 })
  @RequireScopes('a')
  both(): object {
    ran.push('strong-and-scoped');
    return { content: [] };
  }

  @Tool({ name: 'pay', description: 'Needs a payment among the authorization details' })
  @Authorize(({ auth }: PolicyContext) =>
    authorizationDetails(auth, 'payment').some((detail) => detail['amount'] === 5),
  )
  pay(): object {
    ran.push('pay');
    return { content: [] };
  }
}

describe.each(PLATFORMS)('11. Step-up authentication and rich authorization, on %s', (platform) => {
  let server: NotesServer;
  let now: number;
  beforeAll(async () => {
    server = await startNotesServer(platform, { issuer: { alg: 'ES256' }, controllers: [SensitiveTools] });
    now = Math.floor(server.clock.now / 1000);
  });
  afterAll(() => server.close());
  beforeEach(() => {
    ran.length = 0;
  });

  async function call(tool: string, claims: Record<string, unknown>): Promise<Response> {
    return server.callTool(tool, await server.issuer.mint({ aud: server.resource, ...claims }));
  }

  async function expectStepUp(response: Response, expected: Record<string, string>): Promise<void> {
    const error = 'insufficient_user_authentication';
    const { challenge } = await expectRefusal(server, response, {
      status: 401,
      error,
      ...(expected['scope'] && { scope: expected['scope'] }),
    });
    const { acr_values, max_age, scope } = challenge?.params ?? {};
    expect(Object.fromEntries(Object.entries({ acr_values, max_age, scope }).filter(([, value]) => value))).toEqual(
      expected,
    );
    expect(ran).toEqual([]);
  }

  it('RFC9470-3-a: names the accepted authentication context classes, in order of preference', async () => {
    await expectStepUp(await call('strong', { acr: 'urn:x:password' }), { acr_values: 'urn:x:hardware urn:x:mfa' });
    expect((await call('strong', { acr: 'urn:x:mfa' })).status).toBe(200);
    expect(ran).toEqual(['strong']);
  });

  it('RFC9470-3-a: names the scopes that are lacking too, so that one step-up is enough', async () => {
    const both = { acr_values: 'urn:x:mfa', max_age: '0', scope: 'a' };
    await expectStepUp(await call('strong-and-scoped', { scope: '' }), both);
    const token = { acr: 'urn:x:mfa', auth_time: now, scope: '' };
    await expectRefusal(server, await call('strong-and-scoped', token), {
      status: 403,
      error: 'insufficient_scope',
      scope: 'a',
    });
    expect((await call('strong-and-scoped', { ...token, scope: 'a' })).status).toBe(200);
  });

  it.each([
    ['too long ago', { auth_time: -100 }],
    ['not said', {}],
    ['in the future', { auth_time: 3600 }],
  ])(
    'RFC9470-3-b: asks for a recent sign-in where it was %s',
    async (_what, { auth_time: offset }: { auth_time?: number }) => {
      const claims = offset === undefined ? {} : { auth_time: now + offset };
      await expectStepUp(await call('recent', claims), { max_age: '60' });
    },
  );

  it.each([
    ['a string', '1'],
    ['null', null],
    ['a list', [1]],
    ['true', true],
  ])('RFC9470-3-b: takes an auth_time that is %s for none', async (_what, value) =>
    expectStepUp(await call('recent', { auth_time: value }), { max_age: '60' }),
  );

  it('RFC9470-3-b: takes the time of sign-in, not of issue, and allows for clocks once', async () => {
    await expectStepUp(await call('recent', { auth_time: now - 66, iat: now }), { max_age: '60' });
    expect((await call('recent', { auth_time: now - 64 })).status).toBe(200);
  });

  it.each([
    [{ maxAgeSeconds: -1 }],
    [{ maxAgeSeconds: 1.5 }],
    [{ maxAgeSeconds: Number.NaN }],
    [{}],
    [{ acr: [] }],
    [{ acr: 'a b' }],
  ])('RFC9470-3-b: does not start with %j', (requirement) =>
    expect(() => RequireAuthentication(requirement)).toThrow(McpAuthConfigError),
  );

  it('RFC9470-8-a: tells requirements to nobody without a valid token', async () => {
    const response = await call('strong', { exp: now - 3600 });
    const { challenge } = await expectRefusal(server, response, { status: 401, error: 'invalid_token' });
    expect(challenge?.params).not.toHaveProperty('acr_values');
  });

  it.each([
    ['there are none', undefined],
    ['they are no list', { type: 'payment', amount: 5 }],
    ['they are of another type', [{ type: 'transfer', amount: 5 }]],
    ['the type differs in case', [{ type: 'Payment', amount: 5 }]],
    ['they are for another resource', [{ type: 'payment', amount: 5, locations: ['https://other.example'] }]],
    ['their locations are no list', [{ type: 'payment', amount: 5, locations: 'anywhere' }]],
    ['an entry is not an object', [null, 'payment', ['payment']]],
    ['two entries would have to be put together', [{ type: 'payment' }, { type: 'x', amount: 5 }]],
  ])('RFC9396-9-a: grants nothing where %s', async (_what, details) => {
    const token = { authorization_details: details };
    await expectRefusal(server, await call('pay', token), { status: 403 });
    expect(ran).toEqual([]);
  });

  it('RFC9396-9-a: grants what an entry for this resource, or for any, says', async () => {
    const payment = { type: 'payment', amount: 5 };
    expect((await call('pay', { authorization_details: [{ type: 'x' }, payment] })).status).toBe(200);
    const here = { ...payment, locations: ['https://other.example', server.resource] };
    expect((await call('pay', { authorization_details: [here] })).status).toBe(200);
  });
});
