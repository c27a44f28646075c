import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Query, Resolver } from '@nestjs/graphql';
import { WsAdapter } from '@nestjs/platform-ws';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { RequireProof } from 'nestjs-mcp-auth';
import { TestCertificate } from 'nestjs-mcp-auth/testing';
import { GRAPHQL_DRIVERS } from '../support/graphql-drivers.js';
import { startMutualTlsServer, type MutualTlsServer } from '../support/mutual-tls-server.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { openWs } from '../support/sockets.js';
import type { TlsClient } from '../support/tls-client.js';

@Resolver()
class ClockResolver {
  @Query(() => String)
  @RequireProof()
  hours(): string {
    return '12';
  }
}

describe.each(GRAPHQL_DRIVERS)('mutual TLS with %s', (_name, platform, module) => {
  let mtls: MutualTlsServer;

  beforeAll(async () => {
    const settings = { imports: [module], providers: [ClockResolver] };
    mtls = await startMutualTlsServer(platform, { mutualTls: 'accepted' }, settings);
  });
  afterAll(() => mtls.close());

  it('RFC8705-3-a: knows the certificate of the connection of the request', async () => {
    const ask = async (client: TlsClient, token: string): Promise<unknown> => {
      const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
      const body = JSON.stringify({ query: '{ hours }' });
      return JSON.parse((await client.send(`${mtls.server.origin}/graphql`, headers, body)).text);
    };
    const refused = { errors: [{ extensions: { code: 'UNAUTHENTICATED', error: 'invalid_token' } }] };
    const token = await mtls.mintBound();
    expect(await ask(mtls.clients.right, token)).toEqual({ data: { hours: '12' } });
    expect(await ask(mtls.clients.other, token)).toMatchObject(refused);
    expect(await ask(mtls.clients.none, token)).toMatchObject(refused);
    expect(await ask(mtls.clients.right, await mtls.server.mint())).toMatchObject(refused);
  });
});

@WebSocketGateway()
class ClockGateway {
  @SubscribeMessage('hours')
  @RequireProof()
  hours(): { event: string; data: string } {
    return { event: 'hours', data: '12' };
  }
}

const GATEWAY = {
  providers: [ClockGateway],
  prepare: (app: NotesServer['app']): void => void app.useWebSocketAdapter(new WsAdapter(app)),
};

describe.each(PLATFORMS)('mutual TLS with a WebSocket gateway on %s', (platform) => {
  const eventOf = async (origin: string, headers: Record<string, string>, tls?: object): Promise<string> => {
    const socket = await openWs(origin, headers, tls);
    const { event } = await socket.ask('hours');
    socket.close();
    return event;
  };

  it('RFC8705-3-a: knows the certificate of the connection', async () => {
    const mtls = await startMutualTlsServer(platform, { mutualTls: 'accepted' }, GATEWAY);
    const authorization = `Bearer ${await mtls.mintBound()}`;
    const eventWith = (one?: TestCertificate): Promise<string> =>
      eventOf(mtls.server.origin, { authorization }, { rejectUnauthorized: false, key: one?.key, cert: one?.cert });
    expect([await eventWith(mtls.certificate), await eventWith(TestCertificate.generate()), await eventWith()]).toEqual(
      ['hours', 'exception', 'exception'],
    );
    await mtls.close();
  });

  it('RFC8705-3-b: takes the certificate from the upgrade request of a trusted proxy alone', async () => {
    const certificate = TestCertificate.generate();
    const field = { 'client-cert': `:${certificate.der.toString('base64')}:` };
    const events: string[] = [];
    for (const trustedProxies of [['127.0.0.1'], ['10.0.0.1']]) {
      const mutualTls = { certificate: { header: 'client-cert', trustedProxies } };
      const server = await startNotesServer(platform, { options: { mutualTls }, ...GATEWAY });
      const authorization = `Bearer ${await server.mint({ cnf: certificate.confirmation })}`;
      events.push(await eventOf(server.origin, { authorization, ...field }));
      events.push(await eventOf(server.origin, { authorization }));
      await server.close();
    }
    expect(events).toEqual(['hours', 'exception', 'exception', 'exception']);
  });
});
