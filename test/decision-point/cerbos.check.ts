import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { authzen } from 'nestjs-mcp-auth';
import { expectRefusal, expectServed, resetRecorded } from '../support/expectations.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { expectReason } from '../support/tokens.js';

// `authzen()` against Cerbos, a decision point of AuthZEN. `run.js` installs and starts it, and runs these checks.

const url = String(process.env['EVALUATION_ENDPOINT']);

describe.each(PLATFORMS)('Cerbos as the decision point, on %s', (platform) => {
  let server: NotesServer;
  let staff: NotesServer;
  let missing: NotesServer;
  beforeAll(async () => {
    const issuer = { alg: 'ES256' } as const;
    server = await startNotesServer(platform, { issuer, options: { authorize: authzen({ url }) } });
    const ofStaff = authzen({
      url,
      subject: ({ auth }) => ({ type: 'staff', properties: { team: auth.claims['team'] } }),
    });
    staff = await startNotesServer(platform, { issuer, options: { authorize: ofStaff } });
    missing = await startNotesServer(platform, { issuer, options: { authorize: authzen({ url: `${url}/none` }) } });
  });
  afterAll(() => Promise.all([server.close(), staff.close(), missing.close()]));
  beforeEach(() => [server, staff, missing].forEach(resetRecorded));

  const user = { sub: 'alice', scope: 'a', auth_time: 1 };

  it('decides by tool, and by the kind of the caller', async () => {
    await expectServed(server, await server.callTool('ping', await server.mint(user)), 'ping');
    resetRecorded(server);
    await expectRefusal(server, await server.callTool('read-note', await server.mint(user)), { status: 403 });
    expectReason(server, 'policy_denied');
    const robot = { sub: 'robot', client_id: 'robot' };
    await expectRefusal(server, await server.callTool('ping', await server.mint(robot)), { status: 403 });
  });

  it('decides by method', async () => {
    const headers = { authorization: `Bearer ${await server.mint(user)}` };
    expect((await server.rpc('ping', {}, headers)).status).toBe(200);
    await expectRefusal(server, await server.rpc('tools/list', {}, headers), { status: 403 });
  });

  it('decides by properties of the subject, before dispatch and at the handler', async () => {
    await expectServed(
      staff,
      await staff.callTool('read-note', await staff.mint({ ...user, team: 'ops' })),
      'read-note',
    );
    resetRecorded(staff);
    const response = await staff.callTool('read-note', await staff.mint({ ...user, team: 'sales' }));
    await expectRefusal(staff, response, { status: 403 });
  });

  it('lets nobody in where it is not', async () => {
    await expectRefusal(missing, await missing.callTool('ping', await missing.mint(user)), { status: 503 });
    expectReason(missing, 'policy_unavailable');
  });
});
