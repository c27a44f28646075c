import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { decodeJwt } from 'jose';
import { McpAuthDownstream, McpAuthRevocations, McpAuthService, type McpAuthEvent } from 'nestjs-mcp-auth';
import { AUDIENCE, textOfTool } from '../support/downstream-server.js';
import {
  AT_API,
  AT_IDP,
  EXCHANGE,
  formsAt,
  ID_JAG,
  ID_TOKEN,
  JWT_BEARER,
  startIdJagServer,
  subjectOf,
  tokenRequestsAt,
  type IdJagServer,
} from '../support/id-jag-server.js';
import { PLATFORMS } from '../support/platforms.js';

const USERS = Array.from({ length: 10 }, (_, index) => `user-${index}`);

describe.each(PLATFORMS)('The grant id-jag, on %s', (platform) => {
  let server: IdJagServer;
  beforeAll(async () => {
    server = await startIdJagServer(platform, {}, { options: { revocation: {} } });
  });
  afterAll(() => server.close());
  beforeEach(() => server.repair());

  const events = async (token: string): Promise<string> => textOfTool(await server.callTool('events', token));

  it('IDJAG-4.3-a: exchanges what the identity provider issued for an ID-JAG, and that for a token of the API', async () => {
    const token = await server.signIn('ada');
    expect(await events(token)).toBe('200 {"owner":"ada@idp"}');
    const { token: idToken } = server.subjectTokens.get('ada') as { token: string };
    expect(formsAt(server.idp).map((form) => Object.fromEntries(form))).toEqual([
      {
        grant_type: EXCHANGE,
        requested_token_type: ID_JAG,
        subject_token: idToken,
        subject_token_type: ID_TOKEN,
        audience: server.apiServer.issuer,
        resource: AUDIENCE,
        scope: 'calendar.read',
        client_id: AT_IDP.clientId,
        client_secret: AT_IDP.clientSecret,
      },
    ]);
    const [form] = formsAt(server.apiServer);
    const assertion = form?.get('assertion') ?? '';
    expect(Object.fromEntries(form!)).toEqual({ grant_type: JWT_BEARER, assertion });
    expect(decodeJwt(assertion)).toMatchObject({ iss: server.idp.issuer, aud: server.apiServer.issuer });
    const basic = Buffer.from(`${AT_API.clientId}:${AT_API.clientSecret}`).toString('base64');
    const sent = tokenRequestsAt(server.apiServer).map(({ headers }) => headers.authorization);
    expect(sent).toEqual([`Basic ${basic}`]);
    expect(tokenRequestsAt(server.idp).map(({ headers }) => headers.authorization)).toStrictEqual([undefined]);
  });

  it('MCP-26-RS-03: sends the access token of the caller to nobody, and logs no token', async () => {
    const token = await server.signIn('ada');
    await events(token);
    const requests = [server.idp, server.apiServer, server.issuer].flatMap(({ requests: all }) => [...all]);
    expect(JSON.stringify(requests)).not.toContain(token.split('.')[2]);
    expect(server.api.calls.at(-1)?.token).not.toBe(token);
    const secrets = [
      token,
      formsAt(server.idp)[0]?.get('subject_token'),
      formsAt(server.apiServer)[0]?.get('assertion'),
    ];
    for (const secret of [...secrets, server.api.calls.at(-1)?.token, AT_API.clientSecret, AT_IDP.clientSecret])
      expect(server.log.join('\n')).not.toContain(secret);
  });

  it('LIB-29: uses the token of the API again, and asks for another ID-JAG afterwards', async () => {
    const token = await server.signIn('ada');
    await events(token);
    await events(token);
    expect([formsAt(server.idp).length, formsAt(server.apiServer).length]).toEqual([1, 1]);
    const [first] = server.api.calls.slice(-1);
    server.api.answer = (_request, response, call) => {
      if (call.token !== first?.token) return false;
      response.writeHead(401).end();
      return true;
    };
    expect(await events(token)).toBe('200 {"owner":"ada@idp"}');
    const assertions = formsAt(server.apiServer).map((form) => form.get('assertion'));
    expect(new Set(assertions).size).toBe(2);
    server.api.answer = () => false;
  });

  it('LIB-29: concurrent calls of a caller share both requests', async () => {
    const token = await server.signIn('ada');
    const answers = await Promise.all(Array.from({ length: 8 }, async () => events(token)));
    expect(new Set(answers)).toEqual(new Set(['200 {"owner":"ada@idp"}']));
    expect([server.asked.length, formsAt(server.idp).length, formsAt(server.apiServer).length]).toEqual([1, 1, 1]);
  });

  it('LIB-29: no request holds the token of another caller', async () => {
    const tokens = await Promise.all(USERS.map(async (user) => server.signIn(user)));
    const rounds = [...tokens, ...tokens, ...tokens];
    const owners = await Promise.all(rounds.map(async (token) => events(token)));
    for (const [index, owner] of owners.entries())
      expect(owner).toBe(`200 {"owner":"${USERS[index % USERS.length]}@idp"}`);
    const asked = formsAt(server.idp).map((form) => subjectOf(form.get('subject_token')));
    const granted = formsAt(server.apiServer).map((form) => subjectOf(form.get('assertion')));
    for (const subjects of [asked, granted]) expect(subjects.toSorted()).toEqual(USERS.map((user) => `${user}@idp`));
  });

  it('IDJAG-4.3-b: sends a refresh token as what it is', async () => {
    const token = await server.signIn('ada');
    const { token: subject } = server.subjectTokens.get('ada') as { token: string };
    server.subjectTokens.set('ada', { token: subject, type: 'refresh_token' });
    expect(await events(token)).toContain('ada@idp');
    const [form] = formsAt(server.idp);
    expect(form?.get('subject_token_type')).toBe('urn:ietf:params:oauth:token-type:refresh_token');
  });

  it('LIB-27: a caller whose token is revoked meanwhile gets none', async () => {
    const caller = await server.app.get(McpAuthService).verify(await server.signIn('eve'));
    const { answerToken } = server.apiServer;
    const revoked: Promise<void>[] = [];
    server.apiServer.answerToken = (right, form) => {
      revoked.push(server.app.get(McpAuthRevocations).revoke({ principal: caller.principalKey }));
      return answerToken!(right, form);
    };
    const asked = server.app.get(McpAuthDownstream).tokenFor('calendar', caller);
    await expect(asked).rejects.toMatchObject({ code: 'invalid_token' });
    await Promise.all(revoked);
  });

  it('is one event for both requests', async () => {
    const heard: McpAuthEvent[] = [];
    const subscription = server.app.get(McpAuthService).events$.subscribe((event) => {
      if (event.type === 'token-requested') heard.push(event);
    });
    await events(await server.signIn('zoe'));
    server.subjectTokens.delete('yan');
    await events(await server.mint({ sub: 'yan' }));
    subscription.unsubscribe();
    const common = { downstream: 'calendar', issuer: server.apiServer.issuer };
    expect(heard).toEqual([
      expect.objectContaining({ ...common, outcome: 'issued' }),
      expect.objectContaining({ ...common, outcome: 'interaction' }),
    ]);
  });

  it('gives anonymous callers 401, and asks nobody', async () => {
    const asked = server.app.get(McpAuthDownstream).tokenFor('calendar', undefined);
    await expect(asked).rejects.toThrow();
    expect([server.asked.length, formsAt(server.idp).length]).toEqual([0, 0]);
  });
});
