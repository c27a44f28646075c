import { Module } from '@nestjs/common';
import { ConfigModule, ConfigService } from '@nestjs/config';
import { McpAuthModule } from 'nestjs-mcp-auth';
import { McpSdkModule } from 'nestjs-mcp-auth/sdk';
import { McpHttpController } from '../02-official-sdk/mcp-http.controller.js';
import { AcmeService } from './acme.service.js';
import { BrowserSessions } from './browser-sessions.js';
import { ConnectController } from './connect.controller.js';
import { MemoryTokenStore } from './memory-token.store.js';
import { Pages } from './pages.js';
import { RepositoriesTools } from './repositories.tools.js';
import { SignIn, SignInController } from './sign-in.controller.js';

@Module({
  imports: [
    ConfigModule.forRoot({ isGlobal: true }),
    McpAuthModule.forRootAsync({
      inject: [ConfigService],
      useFactory: (config: ConfigService) => ({
        resource: config.getOrThrow('MCP_AUTH_RESOURCE'),
        authorizationServers: [config.getOrThrow('MCP_AUTH_ISSUER')],
        scopes: { required: ['notes:read'] },
        // #region options
        consent: {
          url: `${config.getOrThrow<string>('PUBLIC_ORIGIN')}/connect`,
          secret: config.getOrThrow<string>('CONSENT_SECRET'),
          tokenStore: new MemoryTokenStore(),
        },
        // #endregion
      }),
    }),
    McpSdkModule,
  ],
  controllers: [McpHttpController, ConnectController, SignInController],
  providers: [RepositoriesTools, AcmeService, SignIn, BrowserSessions, Pages],
})
export class AppModule {}
