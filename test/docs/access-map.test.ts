import 'reflect-metadata';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Logger, type INestApplication } from '@nestjs/common';
import { ExpressAdapter } from '@nestjs/platform-express';
import { McpAuthService } from 'nestjs-mcp-auth';
import { formatAccessMap } from 'nestjs-mcp-auth/testing';
import { createApp } from '../../sample/01-quick-start/app.js';
import { openLogs, RECORDER } from '../support/notes-server.js';

/** The code of docs/guides/access-map.md, and what the page says of it. */

let app: INestApplication;
beforeAll(async () => {
  process.env['MCP_AUTH_RESOURCE'] = 'https://mcp.example.com/mcp';
  // At the origin of the resource, nothing is fetched at the start.
  process.env['MCP_AUTH_ISSUER'] = 'https://mcp.example.com';
  app = await createApp(new ExpressAdapter());
  await app.init();
});
afterAll(async () => {
  await app.close();
  delete process.env['MCP_AUTH_RESOURCE'];
  delete process.env['MCP_AUTH_ISSUER'];
});

// #region snapshot
it('lets in who was reviewed', () => {
  expect(formatAccessMap(app.get(McpAuthService).accessMap())).toMatchSnapshot();
});
// #endregion

function logAccess(): void {
  // #region log
  new Logger('Access').log(`\n${formatAccessMap(app.get(McpAuthService).accessMap())}`);
  // #endregion
}

it('docs/guides/access-map.md: shows the map of the sample', async () => {
  const page = await readFile(new URL('../../docs/guides/access-map.md', import.meta.url), 'utf8');
  const [, table] = /```txt\n([^]*?)\n```/.exec(page) ?? [];
  expect(table).toBe(formatAccessMap(app.get(McpAuthService).accessMap()));
});

it('docs/guides/access-map.md: writes it to the log', () => {
  const log: string[] = [];
  app.useLogger(RECORDER);
  openLogs.add(log);
  logAccess();
  openLogs.delete(log);
  expect(log[0]).toMatch(/^\nKIND +NAME[^]*\ntool +add-note /);
});
