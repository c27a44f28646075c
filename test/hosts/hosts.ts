import { Controller, Module, type INestApplication, type Type } from '@nestjs/common';
import { ConfigModule, ConfigService } from '@nestjs/config';
import { NestFactory, type AbstractHttpAdapter } from '@nestjs/core';
import { McpHttpControllerFor, McpStrategy, StreamableHttpTransport } from '@rekog/mcp-nest';
import { McpAuthModule } from 'nestjs-mcp-auth';
import { NotesService } from '../../sample/01-quick-start/notes.service.js';
import { NotesTools } from '../../sample/01-quick-start/notes.tools.js';
import { AppModule as OfficialSdkV2 } from '../../sample/02-official-sdk/app.module.js';
import { AppModule as OfficialSdkV1 } from '../../sample/03-official-sdk-v1/app.module.js';
import type { Revision } from './clients.js';

/** A way to serve MCP inside of a NestJS application, which is a notes server as in the samples. */
export interface Host {
  readonly name: string;
  /** The protocol revisions it speaks. */
  readonly speaks: readonly Revision[];
  /** Makes the application for the resource and the issuer that the environment names, ready to listen. */
  createApp(adapter: AbstractHttpAdapter): Promise<INestApplication>;
}

/**
 * Add a host by adding a row. Version 1 of `@rekog/mcp-nest` cannot be one of them, since it cannot be installed beside
 * version 2: it has a runner of its own, `mcp-nest-1.js`.
 */
export const HOSTS: readonly Host[] = [
  {
    name: '@rekog/mcp-nest 2',
    speaks: ['2025-11-25', '2026-07-28'],
    createApp: (adapter) => createMcpNestApp(adapter, new StreamableHttpTransport()),
  },
  {
    name: '@rekog/mcp-nest 2 with sessions',
    speaks: ['2025-11-25', '2026-07-28'],
    createApp: (adapter) => createMcpNestApp(adapter, new StreamableHttpTransport({ statefulMode: true })),
  },
  {
    name: 'official SDK 2',
    speaks: ['2025-11-25', '2026-07-28'],
    createApp: (adapter) => create(OfficialSdkV2, adapter),
  },
  {
    name: 'official SDK 1',
    speaks: ['2025-11-25'],
    createApp: (adapter) => create(OfficialSdkV1, adapter),
  },
];

function create(module: Type, adapter: AbstractHttpAdapter): Promise<INestApplication> {
  return NestFactory.create(module, adapter, { logger: ['warn', 'error'], forceCloseConnections: true });
}

/** As `sample/01-quick-start`, whose one transport lives as long as the process. */
async function createMcpNestApp(
  adapter: AbstractHttpAdapter,
  transport: StreamableHttpTransport,
): Promise<INestApplication> {
  @Controller('mcp')
  class McpHttpController extends McpHttpControllerFor(transport) {}

  @Module({
    imports: [
      ConfigModule.forRoot({ isGlobal: true }),
      McpAuthModule.forRootAsync({
        inject: [ConfigService],
        useFactory: (config: ConfigService) => ({
          resource: config.getOrThrow('MCP_AUTH_RESOURCE'),
          authorizationServers: [config.getOrThrow('MCP_AUTH_ISSUER')],
          scopes: { required: ['notes:read'] },
        }),
      }),
    ],
    controllers: [McpHttpController, NotesTools],
    providers: [NotesService],
  })
  class AppModule {}

  const app = await create(AppModule, adapter);
  app.connectMicroservice({ strategy: new McpStrategy({ name: 'notes', version: '1.0.0', transports: [transport] }) });
  await app.startAllMicroservices();
  return app;
}
