import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Query, Resolver } from '@nestjs/graphql';
import { WsAdapter } from '@nestjs/platform-ws';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { RequireScopes, type ReplayStore } from 'nestjs-mcp-auth';
import { startDpopServer, type DpopServer } from '../support/dpop-server.js';
import { GRAPHQL_DRIVERS } from '../support/graphql-drivers.js';
import { PLATFORMS } from '../support/platforms.js';
import { openWs } from '../support/sockets.js';

@Resolver()
class ClockResolver {
  @Query(() => String)
  @RequireScopes('a')
  hours(): string {
    return '12';
  }

  @Query(() => String)
  @RequireScopes('a')
  minutes(): string {
    return '30';
  }
}

describe.each(GRAPHQL_DRIVERS)('DPoP with %s', (_name, platform, module) => {
  let dpop: DpopServer;

  beforeAll(async () => {
    dpop = await startDpopServer(platform, { dpop: 'accepted' }, { imports: [module], providers: [ClockResolver] });
  });
  afterAll(() => dpop.close());

  it('RFC9449-11.1-a: counts a proof once for all resolvers of a request, and refuses the next request', async () => {
    const token = await dpop.mintBound({ scope: 'a' });
    const url = `${dpop.server.origin}/graphql`;
    const headers = {
      'content-type': 'application/json',
      authorization: `DPoP ${token}`,
      dpop: dpop.proof(token, { url }),
    };
    const ask = async (): Promise<unknown> => {
      const body = JSON.stringify({ query: '{ hours minutes }' });
      return (await fetch(url, { method: 'POST', headers, body })).json();
    };
    expect(await ask()).toEqual({ data: { hours: '12', minutes: '30' } });
    expect(await ask()).toMatchObject({ errors: [{ extensions: { error: 'invalid_dpop_proof' } }] });
  });
});

@WebSocketGateway()
class ClockGateway {
  @SubscribeMessage('hours')
  @RequireScopes('a')
  hours(): { event: string; data: string } {
    return { event: 'hours', data: '12' };
  }
}

describe.each(PLATFORMS)('DPoP with a WebSocket gateway on %s', (platform) => {
  let dpop: DpopServer;

  beforeAll(async () => {
    dpop = await startDpopServer(
      platform,
      { dpop: 'accepted' },
      { providers: [ClockGateway], prepare: (app) => void app.useWebSocketAdapter(new WsAdapter(app)) },
    );
  });
  afterAll(() => dpop.close());

  const open = async (token: string, proof: string): ReturnType<typeof openWs> =>
    openWs(dpop.server.origin, { authorization: `DPoP ${token}`, dpop: proof });

  it('RFC9449-7.1-a: checks the proof of the upgrade request once, for all messages of the connection', async () => {
    const token = await dpop.mintBound({ scope: 'a', exp: Math.floor(dpop.server.clock.now / 1000) + 3_600 });
    const proof = dpop.proof(token, { method: 'GET', url: `${dpop.server.origin}/` });
    const socket = await open(token, proof);
    expect(await socket.ask('hours')).toEqual({ event: 'hours', data: '12' });
    dpop.server.clock.now += 600_000;
    expect(await socket.ask('hours')).toEqual({ event: 'hours', data: '12' });
    socket.close();
  });

  it('RFC9449-11.1-a: refuses the proof on another connection, and one for another method', async () => {
    const token = await dpop.mintBound({ scope: 'a' });
    const proof = dpop.proof(token, { method: 'GET', url: `${dpop.server.origin}/` });
    const sockets = [await open(token, proof), await open(token, proof), await open(token, dpop.proof(token))];
    const answers = [];
    for (const socket of sockets) answers.push((await socket.ask('hours')).event);
    expect(answers).toEqual(['hours', 'exception', 'exception']);
    for (const socket of sockets) socket.close();
  });
});

describe.each(PLATFORMS)('DPoP with a WebSocket gateway and a store that fails once, on %s', (platform) => {
  it('LIB-11: decides about the proof of a connection again, once the store answers', async () => {
    let outage: Error | undefined = new Error('the store is down');
    const replayStore: ReplayStore = {
      insertOnce: () => {
        if (outage) throw outage;
        return true;
      },
    };
    const dpop = await startDpopServer(
      platform,
      { dpop: { mode: 'accepted', replayStore } },
      { providers: [ClockGateway], prepare: (app) => void app.useWebSocketAdapter(new WsAdapter(app)) },
    );
    try {
      const token = await dpop.mintBound({ scope: 'a' });
      const proof = dpop.proof(token, { method: 'GET', url: `${dpop.server.origin}/` });
      const socket = await openWs(dpop.server.origin, { authorization: `DPoP ${token}`, dpop: proof });
      expect(await socket.ask('hours')).toMatchObject({ event: 'exception' });
      outage = undefined;
      expect(await socket.ask('hours')).toEqual({ event: 'hours', data: '12' });
      socket.close();
    } finally {
      await dpop.close();
    }
  });
});
