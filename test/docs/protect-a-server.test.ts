import 'reflect-metadata';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Logger, type INestApplication } from '@nestjs/common';
import { parseChallenges, TestIssuer } from 'nestjs-mcp-auth/testing';
import { freePort } from '../support/free-port.js';
import { callTool, resultOf } from './rpc.js';

/** docs/guides/protect-a-server.md, followed to its end. */

let issuer: TestIssuer;
let app: INestApplication;
let origin: string;

beforeAll(async () => {
  Logger.overrideLogger(false);
  const port = await freePort();
  origin = `http://127.0.0.1:${port}`;
  issuer = await TestIssuer.start({ alg: 'ES256', audience: `${origin}/mcp` });
  Object.assign(process.env, {
    PORT: String(port),
    MCP_AUTH_RESOURCE: `${origin}/mcp`,
    MCP_AUTH_ISSUER: issuer.issuer,
    MCP_AUTH_REQUIRED_SCOPES: 'notes:read',
    MCP_AUTH_SCOPES_SUPPORTED: 'notes:read,notes:write',
  });
  ({ app } = await import('./protect-a-server/main.js'));
});

afterAll(async () => {
  await app.close();
  await issuer.close();
});

it('answers a call without a token with the challenge that the guide shows', async () => {
  const response = await callTool(`${origin}/mcp`, 'list-notes');
  expect(response.status).toBe(401);
  expect(response.headers.get('www-authenticate')).toBe(
    `Bearer scope="notes:read", resource_metadata="${origin}/.well-known/oauth-protected-resource/mcp"`,
  );
});

it('publishes the metadata that the guide shows', async () => {
  const response = await fetch(`${origin}/.well-known/oauth-protected-resource/mcp`);
  expect(await response.json()).toEqual({
    resource: `${origin}/mcp`,
    authorization_servers: [issuer.issuer],
    scopes_supported: ['notes:read', 'notes:write'],
    bearer_methods_supported: ['header'],
  });
});

it('asks for the one scope more that adding a note needs, and then adds it for its caller alone', async () => {
  const reader = await issuer.mint({ sub: 'alice', scope: 'notes:read' });
  const refused = await callTool(`${origin}/mcp`, 'add-note', reader, { text: 'Buy milk' });
  expect(refused.status).toBe(403);
  const [challenge] = parseChallenges(refused.headers.get('www-authenticate') ?? '');
  expect(challenge?.params).toMatchObject({ error: 'insufficient_scope', scope: 'notes:read notes:write' });

  const writer = await issuer.mint({ sub: 'alice', scope: 'notes:read notes:write' });
  expect((await callTool(`${origin}/mcp`, 'add-note', writer, { text: 'Buy milk' })).status).toBe(200);
  expect(await resultOf(await callTool(`${origin}/mcp`, 'list-notes', reader))).toEqual({ notes: ['Buy milk'] });
  const other = await issuer.mint({ sub: 'bob', scope: 'notes:read' });
  expect(await resultOf(await callTool(`${origin}/mcp`, 'list-notes', other))).toEqual({ notes: [] });
});
