import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import type { INestApplication } from '@nestjs/common';
import type { AbstractHttpAdapter } from '@nestjs/core';
import { startDevAuthorizationServer } from 'nestjs-mcp-auth/dev-server';
import { platform } from './platform.js';

/** Makes the application of a sample, ready to listen. */
export type CreateApp = (adapter: AbstractHttpAdapter) => Promise<INestApplication>;

export interface Ports {
  mcp: number;
  authorizationServer: number;
}

/** Starts a notes server and, where you would have your own, a development authorization server. */
export async function startNotesServer(createApp: CreateApp, preferred: Ports, onNotice: (notice: string) => void = console.warn) {
  const port = await freePort(preferred.mcp, onNotice);
  const resource = `http://127.0.0.1:${port}/mcp`;
  const { issuer, users, close } = await startDevAuthorizationServer({
    port: preferred.authorizationServer,
    onNotice,
    resources: [{ resource, name: 'Notes', scopes: { 'notes:read': 'Read your notes', 'notes:write': 'Add and delete notes' } }],
  });

  // In production these two come with the environment.
  process.env.MCP_AUTH_RESOURCE = resource;
  process.env.MCP_AUTH_ISSUER = issuer;

  const app = await createApp(await platform());
  await app.listen(port, '127.0.0.1');

  return { resource, issuer, users, close: () => Promise.all([app.close(), close()]) };
}

/** The preferred port or, where that is taken, one that the system picks. */
async function freePort(preferred: number, onNotice: (notice: string) => void): Promise<number> {
  const probe = createServer();
  try {
    await once(probe.listen(preferred, '127.0.0.1'), 'listening');
  } catch (error) {
    // EACCES: Windows sets ports aside.
    if (!['EADDRINUSE', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    onNotice(`port ${preferred} is taken, so another one is used`);
    return freePort(0, onNotice);
  }
  const { port } = probe.address() as AddressInfo;
  await once(probe.close(), 'close');
  return port;
}
