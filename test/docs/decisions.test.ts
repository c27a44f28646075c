import 'reflect-metadata';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import {
  AccessPolicy,
  authzen,
  deny,
  type AuthzenOptions,
  type ChallengeScopesContext,
  type CommonOptions,
  type PolicyContext,
  type ScopeOptions,
} from 'nestjs-mcp-auth';
import { answering, startDecisionPoint } from '../decisions/decision-point.js';
import { expectRefusal, expectServed, resetRecorded } from '../support/expectations.js';
import { givenTool } from '../support/given-tool.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';

/** The code of docs/guides/scopes.md about decisions for a whole server, and what the page says of it. */

@Injectable()
class Tenants {
  async isSuspended(tenant: unknown): Promise<boolean> {
    return Promise.resolve(tenant === 'acme');
  }
}

// #region policy-class
@Injectable()
class TenantPolicy extends AccessPolicy {
  constructor(private readonly tenants: Tenants) {
    super();
  }

  async decide({ auth }: PolicyContext) {
    const { tenant } = auth.claims;
    if (!(await this.tenants.isSuspended(tenant))) return true;
    return deny({ reason: `tenant ${String(tenant)} is suspended`, message: 'Your organisation is suspended.' });
  }
}
// #endregion

const byKind = {
  // #region authorize
  authorize: ({ auth, operation, request }: PolicyContext) => {
    if (auth.kind === 'client') return operation?.kind === 'tool' ? ['notes:automate'] : true;
    return isOfficeAddress(request) ? true : deny({ message: 'Connect to the office network first.' });
  },
  // #endregion
} satisfies CommonOptions;

const byStatus = {
  // #region challenge-scopes
  challenge: ({ status, needed, granted, supported }: ChallengeScopesContext) =>
    // At the first sign-in everything but administration; later what is needed, without losing what is granted.
    status === 401 ? supported.filter((scope) => scope !== 'notes:admin') : [...needed, ...granted],
  // #endregion
} satisfies ScopeOptions;

const byAnnotations = {
  // #region annotations
  scopes: {
    annotations: { readOnlyHint: ['notes:read'], destructiveHint: ['notes:write'] },
  },
  // #endregion
} satisfies { scopes: ScopeOptions };

const pdpKey = (): string => 'key of this server';

// #region authzen
const decisionPoint: AuthzenOptions = {
  url: 'https://pdp.example.com/access/v1/evaluation',
  headers: () => ({ authorization: `Bearer ${pdpKey()}` }),
  subject: ({ auth }) => ({ id: `${auth.issuer}#${auth.subject}` }),
};

const options = { authorize: authzen(decisionPoint) };
// #endregion

const listsOnly = {
  // #region anonymous
  allowAnonymous: { list: true },
  // #endregion
} satisfies CommonOptions;

function isOfficeAddress(request: unknown): boolean {
  return (request as { headers: object } | undefined)?.headers !== undefined;
}

describe.each(PLATFORMS)('docs/guides/scopes.md, on %s', (platform) => {
  let server: NotesServer | undefined;
  beforeEach(() => (server = undefined));
  afterEach(() => server?.close());

  async function start(settings: object): Promise<NotesServer> {
    const tools = [givenTool('own', { policies: [TenantPolicy] })];
    return (server = await startNotesServer(platform, {
      issuer: { alg: 'ES256' },
      providers: [Tenants, TenantPolicy],
      tools,
      options: settings,
    }));
  }

  it.each([
    ['ping', { authorize: TenantPolicy }],
    ['own', {}],
  ])('asks a policy that is a provider about %s, with its words for log and user', async (tool, settings) => {
    const app = await start(settings);
    await expectServed(app, await app.callTool(tool, await app.mint({ tenant: 'other' })), tool);
    resetRecorded(app);
    const { text } = await expectRefusal(app, await app.callTool(tool, await app.mint({ tenant: 'acme' })), {
      status: 403,
    });
    expect(text).toContain('"message":"Your organisation is suspended."');
    expect(app.log.join('\n')).toContain('reason is "tenant acme is suspended"');
  });

  it('names in challenges what the function returns', async () => {
    const app = await start({ scopes: { ...byStatus, supported: ['a', 'notes:read', 'notes:admin'] } });
    await expectRefusal(app, await app.callTool('write-note'), { status: 401, scope: 'a notes:read' });
    const response = await app.callTool('write-note', await app.mint({ scope: 'notes:read' }));
    const scope = 'a b notes:read';
    await expectRefusal(app, response, { status: 403, error: 'insufficient_scope', scope });
  });

  it('asks a decision point', async () => {
    const point = await startDecisionPoint();
    try {
      expect(options.authorize).toEqual(expect.any(Function));
      const app = await start({ authorize: authzen({ ...decisionPoint, url: point.url }) });
      const token = await app.mint({ sub: 'alice', auth_time: 1 });
      await expectServed(app, await app.callTool('ping', token), 'ping');
      const evaluation = {
        headers: { authorization: 'Bearer key of this server' },
        body: { subject: { type: 'user', id: `${app.issuer.issuer}#alice` }, resource: { type: 'tool', id: 'ping' } },
      };
      expect(point.asked).toMatchObject([evaluation, evaluation]);
      point.answer = answering('{"decision":false}');
      resetRecorded(app);
      await expectRefusal(app, await app.callTool('ping', token), { status: 403 });
    } finally {
      await point.close();
    }
  });

  it('takes a tool without annotations for destructive', async () => {
    const app = await start(byAnnotations);
    await expectRefusal(app, await app.callTool('ping'), { status: 401, scope: 'notes:write' });
  });

  it('shows lists to callers without a token, and challenges them when they connect', async () => {
    const app = await start(listsOnly);
    expect((await app.rpc('tools/list', {})).status).toBe(200);
    await expectRefusal(app, await app.rpc('initialize', {}), { status: 401 });
    await expectRefusal(app, await app.callTool('ping'), { status: 401 });
  });

  it('asks one policy about everything', async () => {
    const app = await start(byKind);
    const robot = { sub: 'robot', client_id: 'robot' };
    const token = await app.mint(robot);
    const expected = { status: 403, error: 'insufficient_scope', scope: 'notes:automate' } as const;
    await expectRefusal(app, await app.callTool('ping', token), expected);
    const list = await app.rpc('tools/list', {}, { authorization: `Bearer ${token}` });
    expect(list.status).toBe(200);
    resetRecorded(app);
    await expectServed(app, await app.callTool('ping', await app.mint({ ...robot, scope: 'notes:automate' })), 'ping');
  });
});
