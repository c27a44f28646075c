import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startDevAuthorizationServer } from 'nestjs-mcp-auth/dev-server';
import { createApp } from '../../sample/01-quick-start/app.js';
import { type Person, ScriptedBrowser } from '../../sample/demo-client/browser.js';
import { McpSession, signIn } from '../../sample/demo-client/mcp-session.js';
import { startNotesServer as startQuickStart } from '../../sample/notes-server/servers.js';
import { registerClient } from '../dev-server/flow.js';
import { freePort } from '../support/free-port.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { adapterFor, PLATFORMS } from '../support/platforms.js';
import { FIXTURES } from './fixtures.js';
import { BASELINE_SCOPE, OPERATIONS } from './resource-server/scope-challenge.js';
import { FAILURES_OF_FIXTURES, FAILURES_OF_QUICK_START } from './suite/known-failures.js';
import { runSuite, type SuiteResult } from './suite/run-suite.js';
import { startTokenProxy, type TokenProxy } from './suite/token-proxy.js';

/** The released suite of the MCP project, which is no part of `npm test`: `npm run test:conformance`. */

const VERSIONS = ['2025-11-25', '2026-07-28'] as const;
type Version = (typeof VERSIONS)[number];

/** One run of the suite takes a minute where others work on the machine, too. */
const MOST_MS = 300_000;

const SCOPE = [BASELINE_SCOPE, ...OPERATIONS.flatMap(({ scopes }) => scopes)].join(' ');

/** Runs every scenario that a version of the specification requires. Its failures must be those that are written down. */
async function expectOnly(
  known: Readonly<Record<Version, readonly string[]>>,
  { url }: TokenProxy,
  version: Version,
): Promise<void> {
  const { passed, failures } = await runSuite(['server', '--url', url, '--requirements', version]);
  const unknown = failures.filter(({ id }) => !known[version].includes(id));
  expect(unknown).toEqual([]);
  expect(failures.map(({ id }) => id).toSorted()).toEqual(known[version].toSorted());
  expect(passed).toBeGreaterThan(0);
}

describe.each(PLATFORMS)('the MCP conformance suite for servers, on %s', (platform) => {
  describe('with its fixtures', () => {
    let server: NotesServer;
    let proxy: TokenProxy;
    beforeAll(async () => {
      server = await startNotesServer(platform, { controllers: FIXTURES, transport: { statefulMode: true } });
      proxy = await startTokenProxy(server.resource, () => server.mint({ scope: SCOPE }));
    });
    afterAll(async () => {
      await proxy.close();
      await server.close();
    });

    it.each(VERSIONS)(
      'passes at %s, but for what the framework lacks',
      (version) => expectOnly(FAILURES_OF_FIXTURES, proxy, version),
      MOST_MS,
    );
  });

  describe('with the quick start', () => {
    let servers: Awaited<ReturnType<typeof startQuickStart>>;
    let session: McpSession;
    let proxy: TokenProxy;
    beforeAll(async () => {
      const ports = { mcp: 0, authorizationServer: 0 };
      // The suite takes longer than a token lives, and the proxy does not refresh.
      const settings = { accessTokenTtlSeconds: 3600 };
      servers = await startQuickStart(async () => createApp(adapterFor(platform)), ports, settings);
      session = new McpSession(servers.resource, servers.users[0] as Person, { pin: '2026-07-28' });
      await signIn(session);
      proxy = await startTokenProxy(servers.resource, async () => session.oauth.tokens()?.access_token ?? '');
    });
    afterAll(async () => {
      await proxy.close();
      await session.close();
      await servers.close();
    });

    it.each(VERSIONS)(
      'passes at %s, but for what a server with four tools lacks',
      (version) => expectOnly(FAILURES_OF_QUICK_START, proxy, version),
      MOST_MS,
    );
  });
});

describe('the MCP conformance suite for authorization servers', () => {
  const RESOURCE = 'http://127.0.0.1:3999/mcp';

  it.each(VERSIONS)('passes at %s with the development authorization server', async (version) => {
    const server = await startDevAuthorizationServer({
      port: await freePort(),
      resources: [{ resource: RESOURCE, name: 'Notes', scopes: { 'notes:read': 'Read your notes' } }],
    });
    try {
      expect(await runAuthorization(server.issuer, server.users[0] as Person, version)).toEqual({
        passed: 3,
        failures: [],
      });
    } finally {
      await server.close();
    }
  });

  /** Follows the URL that the suite prints for a person to open. */
  async function runAuthorization(issuer: string, user: Person, version: Version): Promise<SuiteResult> {
    const port = await freePort();
    const redirectUri = `http://127.0.0.1:${port}/callback`;
    const clientId = await registerClient(issuer, { redirect_uris: [redirectUri] });
    const browser = new ScriptedBrowser(user);
    const settings = {
      url: issuer,
      'client-id': clientId,
      resource: RESOURCE,
      port: `${port}`,
      'spec-version': version,
    };
    const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
    let visited = false;
    let text = '';
    return runSuite(['authorization', ...args], (chunk) => {
      text += chunk;
      const [url] = /http:\/\/\S+\/authorize\?\S+(?=\s)/.exec(text) ?? [];
      if (url === undefined || visited) return;
      visited = true;
      void visit(browser, url, redirectUri);
    });
  }

  async function visit(browser: ScriptedBrowser, url: string, redirectUri: string): Promise<void> {
    const { callback } = await browser.visit(new URL(url), redirectUri);
    await fetch(callback);
  }
});
