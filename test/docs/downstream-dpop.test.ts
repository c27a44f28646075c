import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Controller, Get, Injectable } from '@nestjs/common';
import { McpAuthDownstream, type DownstreamOptions } from 'nestjs-mcp-auth';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';

const issuer = await TestIssuer.start({ alg: 'ES256', tokenEndpoint: true });
const api = await startNotesServer('express', {
  sharedIssuer: issuer,
  options: { dpop: { mode: 'required', nonce: { secret: 'a secret of the API, for nonces only' } } },
});
const SECRET = issuer.tokenClient.clientSecret;

// #region options
const payments: DownstreamOptions = {
  grant: 'token-exchange',
  clientId: 'resource-server',
  auth: { method: 'client_secret_basic', clientSecret: SECRET },
  audience: api.resource,
  scopes: ['a'],
  origins: [api.origin],
  dpop: true,
};
// #endregion

// #region client-of-your-own
@Injectable()
class Payments {
  constructor(private readonly apis: McpAuthDownstream) {}

  async list(send: (url: string, headers: Record<string, string>) => Promise<Response>): Promise<Response> {
    const request = { method: 'GET', url: `${api.origin}/plain` };
    const response = await send(request.url, { ...(await this.apis.headersFor('payments', request)) });
    const nonce = response.headers.get('dpop-nonce');
    if (response.status !== 401 || nonce === null) return response;
    return send(request.url, { ...(await this.apis.headersFor('payments', { ...request, nonce })) });
  }
}
// #endregion

@Controller('payments')
class PaymentsController {
  constructor(
    private readonly own: Payments,
    private readonly apis: McpAuthDownstream,
  ) {}

  @Get()
  async list(): Promise<object> {
    const own = await this.own.list((url, headers) => fetch(url, { headers }));
    const response = await this.apis.fetch('payments', `${api.origin}/plain`);
    return { own: await own.json(), fetched: (await response.json()) as object };
  }
}

let server: NotesServer;
beforeAll(async () => {
  server = await startNotesServer('express', {
    sharedIssuer: issuer,
    options: { downstream: { payments } },
    controllers: [PaymentsController],
    providers: [Payments],
  });
});
afterAll(async () => {
  await server.close();
  await api.close();
  await issuer.close();
});

it('docs/guides/downstream-tokens.md: calls an API that wants proofs', async () => {
  const authorization = `Bearer ${await server.mint({ sub: 'ada' })}`;
  const response = await fetch(`${server.origin}/payments`, { headers: { authorization } });
  expect(await response.json()).toEqual({ own: { subject: 'ada' }, fetched: { subject: 'ada' } });
});
