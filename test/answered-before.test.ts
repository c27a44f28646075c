import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { LOGOUT_CLIENT, LOGOUT_PATH, mintLogoutToken, sendLogout } from './support/logout.js';
import { startNotesServer, type NotesServer } from './support/notes-server.js';
import { PLATFORMS } from './support/platforms.js';
import { bearer } from './support/rpc.js';
import { INITIALIZE } from './support/sessions.js';
import { SharedSessionOwners } from './support/shared-session-owners.js';
import { ROOT, startTenantsServer } from './support/tenants-server.js';
import { until } from './support/until.js';

// Middleware of the application answers while an endpoint of this library still waits, as one with a time limit does.

let answerNow = (): void => undefined;

function answerWhenTold(app: INestApplication): void {
  app.use((_request: IncomingMessage, response: ServerResponse, next: () => void) => {
    answerNow = () => {
      response.statusCode = 504;
      response.end();
    };
    next();
  });
}

/** The same by a middleware that writes the head itself, as it may: nothing was sent yet. */
function answerHeadWhenTold(app: INestApplication): void {
  app.use((_request: IncomingMessage, response: ServerResponse, next: () => void) => {
    answerNow = () => {
      if (!response.headersSent) response.writeHead(504).end();
    };
    next();
  });
}

describe.each(PLATFORMS)('an endpoint whose request the application has answered, on %s', (platform) => {
  let close: () => Promise<void>;
  let unhandled: unknown[] = [];
  const keep = (reason: unknown): number => unhandled.push(reason);
  beforeEach(() => {
    unhandled = [];
    process.on('unhandledRejection', keep);
  });
  afterEach(async () => {
    process.off('unhandledRejection', keep);
    await close();
  });

  it('LIB-27: accepts a logout token all the same, and does not end the process', async () => {
    const clientIds = async (): Promise<string[]> => {
      answerNow();
      return [LOGOUT_CLIENT];
    };
    const server: NotesServer = await startNotesServer(platform, {
      prepare: answerWhenTold,
      options: { revocation: { backChannelLogout: { path: LOGOUT_PATH, clientIds } } },
    });
    ({ close } = server);
    const token = await server.mint({ sub: 'alice', sid: '1' });
    const logout = await mintLogoutToken(server.issuer, { sub: 'alice', sid: '1' });
    expect((await sendLogout(server.resource, logout)).status).toBe(504);
    let status = 200;
    for (let calls = 0; calls < 100 && status === 200; calls += 1)
      status = (await server.callTool('ping', token)).status;
    expect(status).toBe(401);
    expect(unhandled).toEqual([]);
  });

  it.each([
    ['a tenant', {}],
    ['no tenant', undefined],
  ])('LIB-12: does not end the process after it found %s for its metadata', async (_what, tenant) => {
    const resolveTenant = async (): Promise<object | undefined> => {
      answerNow();
      return tenant;
    };
    const server = await startTenantsServer(platform, {
      route: 'orgs/:tenant/mcp',
      prepare: answerWhenTold,
      options: { resource: 'https://mcp.example.com/orgs/{tenant}/mcp', resolveTenant },
    });
    ({ close } = server);
    for (const name of ['acme', 'other'])
      expect((await server.get('mcp.example.com', `${ROOT}/orgs/${name}/mcp`)).status).toBe(504);
    expect(unhandled).toEqual([]);
  });

  it('MCP-25-SES-02: does not end the process, if the answer to a new session waits for its store', async () => {
    const store = new SharedSessionOwners();
    let goOn!: () => void;
    store.pause = new Promise((resolve) => (goOn = resolve));
    const server = await startNotesServer(platform, {
      prepare: answerHeadWhenTold,
      transport: { statefulMode: true },
      options: { sessions: { store } },
    });
    ({ close } = server);
    const opening = server.rpc('initialize', INITIALIZE, bearer(await server.mint()));
    await until(() => store.calls > 0);
    answerNow();
    goOn();
    // Complete or cut off, but at its end.
    await opening.then((response) => response.text()).catch(() => undefined);
    await new Promise(setImmediate);
    expect(unhandled).toEqual([]);
    expect(store.owners.size).toBe(1);
  });
});
