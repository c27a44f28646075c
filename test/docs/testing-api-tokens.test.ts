import 'reflect-metadata';
import { expect, it } from '@jest/globals';
import { Controller, Get, Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { DownstreamToken, McpAuthModule, type DownstreamOptions } from 'nestjs-mcp-auth';
import { TestIssuer } from 'nestjs-mcp-auth/testing';

const resource = 'https://mcp.example.com/mcp';

/** Answers the token, as no real handler may. */
@Controller('events')
class EventsController {
  @Get()
  list(@DownstreamToken('calendar') token: string): object {
    return { token };
  }
}

function appModuleFor(issuer: string, { clientId, clientSecret }: TestIssuer['tokenClient']): new () => object {
  const calendar: DownstreamOptions = {
    grant: 'token-exchange',
    clientId,
    auth: { method: 'client_secret_basic', clientSecret },
    audience: 'https://calendar.example.com',
    origins: ['https://calendar.example.com'],
  };
  @Module({
    imports: [McpAuthModule.forRoot({ resource, authorizationServers: [issuer], downstream: { calendar } })],
    controllers: [EventsController],
  })
  class AppModule {}
  return AppModule;
}

// #region testing
it('lists events with a token for the calendar', async () => {
  const issuer = await TestIssuer.start({ audience: resource, tokenEndpoint: true });
  const root = appModuleFor(issuer.issuer, issuer.tokenClient);
  const app = (await Test.createTestingModule({ imports: [root] }).compile()).createNestApplication();
  await app.listen(0);
  const events = `${await app.getUrl()}/events`;
  const call = async (token: string) => fetch(events, { headers: { authorization: `Bearer ${token}` } });

  const alice = await issuer.mint({ sub: 'alice' });
  expect((await call(alice)).status).toBe(200);
  const { body } = issuer.requests.find(({ endpoint }) => endpoint === 'token')!;
  expect(new URLSearchParams(body).get('audience')).toBe('https://calendar.example.com');

  issuer.answerToken = () => Response.json({ error: 'invalid_grant' }, { status: 400 });
  expect((await call(await issuer.mint({ sub: 'bob' }))).status).toBe(401);

  issuer.fail('error', 'token');
  expect((await call(await issuer.mint({ sub: 'carol' }))).status).toBe(503);

  await app.close();
  await issuer.close();
});
// #endregion
