import 'reflect-metadata';
import { expect, it } from '@jest/globals';
import { Controller, Get, Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { McpAuthModule, RequireScopes } from 'nestjs-mcp-auth';
import { TestIssuer } from 'nestjs-mcp-auth/testing';

const resource = 'https://mcp.example.com/mcp';

@Controller('notes')
class NotesController {
  @Get()
  @RequireScopes('notes:read')
  list(): string[] {
    return [];
  }
}

function appModuleFor(issuer: string): new () => object {
  @Module({
    imports: [McpAuthModule.forRoot({ resource, authorizationServers: [issuer] })],
    controllers: [NotesController],
  })
  class AppModule {}
  return AppModule;
}

// #region testing
it('lists notes for callers with notes:read', async () => {
  const issuer = await TestIssuer.start({ audience: resource });
  const module = await Test.createTestingModule({ imports: [appModuleFor(issuer.issuer)] }).compile();
  const app = module.createNestApplication();
  await app.listen(0);
  const notes = `${await app.getUrl()}/notes`;

  const reader = await issuer.mint({ sub: 'alice', scope: 'notes:read' });
  expect((await fetch(notes, { headers: { authorization: `Bearer ${reader}` } })).status).toBe(200);

  const expired = await issuer.mint({ scope: 'notes:read', exp: 0 });
  expect((await fetch(notes, { headers: { authorization: `Bearer ${expired}` } })).status).toBe(401);

  await app.close();
  await issuer.close();
});
// #endregion
