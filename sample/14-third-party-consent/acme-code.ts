import { Controller, Get, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AuthInfo, McpAuthModule, RequireScopes } from 'nestjs-mcp-auth';
import { startDevAuthorizationServer } from 'nestjs-mcp-auth/dev-server';
import { freePort } from '../notes-server/free-port.js';
import { platform } from '../notes-server/platform.js';

@Controller('repositories')
class RepositoriesController {
  @Get()
  @RequireScopes('repositories:read')
  list(@AuthInfo('subject') subject: string) {
    return [`${subject}/website`, `${subject}/dotfiles`];
  }
}

/** Stands for the third party: an authorization server and an API of its own, with accounts of its own. */
export async function startAcmeCode(preferredPort = 0) {
  const port = await freePort(preferredPort, console.warn);
  const api = `http://127.0.0.1:${port}/repositories`;
  const scopes = { 'repositories:read': 'List your repositories' };
  const server = await startDevAuthorizationServer({ resources: [{ resource: api, name: 'Acme Code', scopes }] });

  @Module({
    imports: [McpAuthModule.forRoot({ resource: api, authorizationServers: [server.issuer] })],
    controllers: [RepositoriesController],
  })
  class AcmeCodeModule {}

  const app = await NestFactory.create(AcmeCodeModule, await platform(), {
    logger: ['error'],
    forceCloseConnections: true,
  });
  await app.listen(port, '127.0.0.1');
  return { issuer: server.issuer, api, close: () => Promise.all([app.close(), server.close()]) };
}
