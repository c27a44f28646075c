import type { INestApplication } from '@nestjs/common';
import {
  type DevApi,
  type DevAuthorizationServerOptions,
  type DevClient,
  type DevResource,
  startDevAuthorizationServer,
} from 'nestjs-mcp-auth/dev-server';
import { freePort } from './free-port.js';

/** Creates the application of a sample, ready to listen. */
export type CreateApp = () => Promise<INestApplication>;

export interface Ports {
  mcp: number;
  authorizationServer: number;
}

type ServerSettings = 'introspection' | 'dpop' | 'accessTokenTtlSeconds' | 'clientMetadataDocuments';

/** The settings in which a sample differs from the first one. */
export interface Settings extends Pick<DevAuthorizationServerOptions, ServerSettings> {
  /** The protected resources at an origin. */
  resourcesAt?: (origin: string) => [DevResource, ...DevResource[]];
  /** The notes server as the client that gets tokens for the APIs that it calls. */
  downstream?: { client: Omit<DevClient, 'resource'>; apis: DevApi[] };
  onNotice?: (notice: string) => void;
}

const NOTES_SCOPES = { 'notes:read': 'Read your notes', 'notes:write': 'Add and delete notes' };

/** The resource of the notes server. */
export const notesAt = (resource: string): DevResource => ({ resource, name: 'Notes', scopes: NOTES_SCOPES });

/** Starts a notes server, and a development authorization server in place of yours. */
export async function startNotesServer(createApp: CreateApp, preferred: Ports, settings: Settings = {}) {
  const {
    resourcesAt = (origin) => [notesAt(`${origin}/mcp`)],
    downstream,
    onNotice = console.warn,
    ...options
  } = settings;
  const port = await freePort(preferred.mcp, onNotice);
  const resources = resourcesAt(`http://127.0.0.1:${port}`);
  const [{ resource }] = resources;
  const { issuer, users, close } = await startDevAuthorizationServer({
    ...options,
    port: preferred.authorizationServer,
    onNotice,
    resources,
    ...(downstream && { clients: [{ ...downstream.client, resource }], apis: downstream.apis }),
  });

  // In production, the environment sets these.
  process.env.MCP_AUTH_RESOURCE = resource;
  process.env.MCP_AUTH_ISSUER = issuer;
  process.env.MCP_AUTH_REQUIRED_SCOPES = 'notes:read';
  process.env.PUBLIC_ORIGIN = new URL(resource).origin;

  const app = await createApp();
  await app.listen(port, '127.0.0.1');

  return { resource, resources, issuer, users, close: () => Promise.all([app.close(), close()]) };
}
