import { Controller, Module } from '@nestjs/common';
import { ConfigModule, ConfigService } from '@nestjs/config';
import { McpAuthModule } from 'nestjs-mcp-auth';
import { NotesService } from './notes.service.js';
import { NotesTools } from './notes.tools.js';
// Last: Node.js below 20.20 wants @nestjs/microservices, which notes.tools.js imports, loaded before this CommonJS package.
import { McpHttpControllerFor, McpStrategy, StreamableHttpTransport } from '@rekog/mcp-nest';

/** Without sessions; with `SESSIONS=true` a client keeps one, as some need for messages from the server. */
const transport = new StreamableHttpTransport({ statefulMode: process.env.SESSIONS === 'true' });

export const mcp = new McpStrategy({ name: 'notes', version: '1.0.0', transports: [transport] });

/** An ordinary Nest route, so that the guard runs before it; a route which the transport mounts by itself would pass it by. */
@Controller('mcp')
class McpHttpController extends McpHttpControllerFor(transport) {}

// #region quick-start
@Module({
  imports: [
    ConfigModule.forRoot({ isGlobal: true }),
    McpAuthModule.forRootAsync({ inject: [ConfigService], useFactory: (config: ConfigService) => ({
      resource: config.getOrThrow('MCP_AUTH_RESOURCE'),
      authorizationServers: [config.getOrThrow('MCP_AUTH_ISSUER')],
      scopes: { required: ['notes:read'] },
    }) }),
  ],
  controllers: [McpHttpController, NotesTools],
  providers: [NotesService],
})
export class AppModule {}
// #endregion
