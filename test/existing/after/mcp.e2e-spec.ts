import type { INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { setUp } from './../src/set-up.js';

const RESOURCE = 'http://127.0.0.1:3000/mcp';

/** What `nest add nestjs-mcp-auth` adds to the application. */
describe('MCP (e2e)', () => {
  let app: INestApplication;
  let issuer: TestIssuer;
  let origin: string;
  let warningsAtStart: string[];

  beforeAll(async () => {
    issuer = await TestIssuer.start({ audience: RESOURCE });
    process.env.MCP_AUTH_ISSUER = issuer.issuer;
    const { AppModule } = await import('./../src/app.module.js');
    const { mcp } = await import('./../src/notes/notes.module.js');
    const warnings: string[] = [];
    const warn = (line: unknown) => void warnings.push(String(line));
    const silent = () => undefined;
    const logger = { log: silent, debug: silent, verbose: silent, error: warn, warn, fatal: warn };
    app = await NestFactory.create(AppModule, { logger, abortOnError: false });
    setUp(app, 0);
    app.connectMicroservice({ strategy: mcp });
    await app.startAllMicroservices();
    await app.listen(0, '127.0.0.1');
    origin = await app.getUrl();
    warningsAtStart = [...warnings];
  });
  afterAll(async () => {
    await app.close();
    await issuer.close();
  });

  const callTool = (name: string, token?: string) =>
    fetch(`${origin}/mcp`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        method: 'tools/call',
        params: { name, arguments: { text: 'milk' } },
      }),
    });

  it('asks for an access token where MCP is', async () => {
    const response = await callTool('add-note');
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toContain('resource_metadata=');
  });

  it('runs tools for tokens of the authorization server with the scopes, and for no others', async () => {
    const login = await fetch(`${origin}/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'alice' }),
    });
    const { token } = (await login.json()) as { token: string };
    expect((await callTool('add-note', token)).status).toBe(401);
    expect((await callTool('add-note', await issuer.mint({ scope: 'notes:read' }))).status).toBe(403);
    const granted = await callTool('add-note', await issuer.mint({ scope: 'notes:read notes:write' }));
    expect(granted.status).toBe(200);
    expect(await granted.text()).toContain('milk');
  });

  it('keeps such tokens out of the REST API', async () => {
    const headers = { authorization: `Bearer ${await issuer.mint({ scope: 'notes:read notes:write' })}` };
    expect((await fetch(`${origin}/orders`, { headers })).status).toBe(401);
  });

  it('starts without a warning of what was there before', () => {
    expect(warningsAtStart.filter((line) => !line.includes(issuer.issuer))).toEqual([]);
  });
});
