import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { deny, type PolicyContext } from 'nestjs-mcp-auth';
import { expectNoTrace, expectRefusal, resetRecorded, type Refused } from '../support/expectations.js';
import { givenTool } from '../support/given-tool.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { expectReason } from '../support/tokens.js';

// What a policy says about its refusal: to the operator, and to the user.

const REASON = 'tenant acme owes 300 EUR';
const MESSAGE = 'Your organisation is suspended. Ask its administrator.';

const TOOLS = [
  givenTool('both', { policies: [() => deny({ reason: REASON, message: MESSAGE })] }),
  givenTool('reason-only', { policies: [async () => Promise.resolve(deny({ reason: REASON }))] }),
  givenTool('nothing', { policies: [() => deny()] }),
  givenTool('chosen', {
    policies: [
      ({ auth }: PolicyContext) =>
        deny({ message: String(auth.claims['message']), reason: String(auth.claims['reason']) }),
    ],
  }),
  givenTool('scoped', { scopes: ['a'], policies: [() => deny({ message: MESSAGE })] }),
  givenTool('wrong', { policies: [() => deny({ message: 7 as unknown as string })] }),
  givenTool('lookalike', { policies: [() => JSON.parse(`{"message":"${MESSAGE}"}`) as never] }),
  givenTool('two', { policies: [() => deny({ message: 'The first.' }), () => deny({ message: 'The second.' })] }),
];

const sentence = ({ body }: Refused): unknown => (body['error'] as { message: unknown }).message;

describe.each(PLATFORMS)('a denial with words, on %s', (platform) => {
  let server: NotesServer;
  beforeAll(async () => {
    server = await startNotesServer(platform, {
      issuer: { alg: 'ES256' },
      tools: TOOLS,
      options: { exposeErrorDetails: true },
    });
  });
  afterAll(() => server.close());
  beforeEach(() => resetRecorded(server));

  const refused = async (tool: string, claims: object = {}): Promise<Refused> => {
    const token = await server.mint({ ...claims });
    return expectRefusal(server, await server.callTool(tool, token), { status: 403, token });
  };

  it('MCP-SBP-04, MCP-26-RS-06: is 403 without a challenge; the message reaches the client, the reason only the log', async () => {
    const answer = await refused('both');
    expect(sentence(answer)).toBe(`${MESSAGE} Reason: a policy of the application refused the operation.`);
    expectReason(server, 'policy_denied');
    expect(server.log.join('\n')).toContain(`(reason is "${REASON}")`);
    expect(answer.text).not.toContain('300 EUR');
    expect(server.log.join('\n')).not.toContain(MESSAGE);
  });

  it('says no more than before without a message', async () => {
    for (const tool of ['reason-only', 'nothing', 'lookalike']) {
      resetRecorded(server);
      expect(sentence(await refused(tool))).toMatch(/^The caller is not permitted to do this\. /);
    }
  });

  it('says what the first policy says', async () => {
    expect(sentence(await refused('two'))).toMatch(/^The first\. /);
  });

  it('names missing scopes first, since another token would be needed anyway', async () => {
    const response = await server.callTool('scoped', await server.mint({ scope: 'other' }));
    const answer = await expectRefusal(server, response, { status: 403, error: 'insufficient_scope', scope: 'a' });
    expect(answer.text).not.toContain(MESSAGE);
  });

  it('keeps the words on one line, short, and without what could be a token', async () => {
    const token = await server.mint();
    const message = `Nö:\r\n\u001b[31m ${token}\u202e ${'x'.repeat(500)}`;
    const answer = await refused('chosen', { message, reason: `first\nsecond ${token}` });
    const text = String(sentence(answer)).replace(/ Reason: .*$/, '');
    expect(text).toMatch(/^Nö: \\u\{1b\}\[31m eyJ…\\u\{202e\} x+…$/);
    expect(Array.from(text).length).toBe(200);
    expectNoTrace(token, { body: answer.text, log: server.log.join('\n') });
    expect(server.log.some((line) => line.includes('first\\nsecond eyJ…'))).toBe(true);
  });

  it('refuses what is not text as a mistake of the policy', async () => {
    const response = await server.callTool('wrong', await server.mint());
    expect(response.status).toBe(500);
    expect(server.ran).toEqual([]);
  });
});
