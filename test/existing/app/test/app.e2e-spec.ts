import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import type { INestApplication } from '@nestjs/common';
import { ClientProxyFactory, Transport, type ClientProxy } from '@nestjs/microservices';
import { Test } from '@nestjs/testing';
import { firstValueFrom } from 'rxjs';
import { WebSocket } from 'ws';
import { AppModule } from './../src/app.module.js';
import { paid } from './../src/orders.controller.js';
import { setUp } from './../src/set-up.js';
import { Ticks } from './../src/ticks.js';

/** The tests that the application had before. They know nothing of MCP. */

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

describe('the application (e2e)', () => {
  let app: INestApplication;
  let origin: string;
  let client: ClientProxy;

  beforeAll(async () => {
    const port = await freePort();
    app = (await Test.createTestingModule({ imports: [AppModule] }).compile()).createNestApplication();
    setUp(app, port);
    await app.startAllMicroservices();
    await app.listen(0, '127.0.0.1');
    origin = await app.getUrl();
    client = ClientProxyFactory.create({ transport: Transport.TCP, options: { host: '127.0.0.1', port } });
  });

  afterAll(async () => {
    client.close();
    await app.close();
  });

  const get = async (path: string, token?: string): Promise<[number, unknown]> => {
    const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const response = await fetch(origin + path, { headers });
    const text = await response.text();
    return [response.status, text.startsWith('{') ? (JSON.parse(text) as unknown) : text];
  };
  const post = async (path: string, body: object): Promise<unknown> => {
    const headers = { 'content-type': 'application/json' };
    return (await fetch(origin + path, { method: 'POST', headers, body: JSON.stringify(body) })).json();
  };

  it('answers routes', async () => {
    expect(await get('/')).toEqual([200, 'Hello World!']);
  });

  it('guards its REST API with JSON Web Tokens of its own', async () => {
    expect((await get('/orders'))[0]).toBe(401);
    expect((await get('/orders', 'x.y.z'))[0]).toBe(401);
    const { token } = (await post('/login', { name: 'alice' })) as { token: string };
    expect(await get('/orders', token)).toEqual([200, { of: 'alice' }]);
  });

  it('caches, and limits rates', async () => {
    expect(await get('/orders/prices')).toEqual([200, { served: 1 }]);
    expect(await get('/orders/prices')).toEqual([200, { served: 1 }]);
    expect([await get('/orders/rare'), await get('/orders/rare')].map(([status]) => status)).toEqual([200, 200]);
    expect((await get('/orders/rare'))[0]).toBe(429);
  });

  it('answers GraphQL', async () => {
    expect(await post('/graphql', { query: 'mutation { add(text: "milk") }' })).toEqual({ data: { add: 1 } });
    expect(await post('/graphql', { query: '{ all }' })).toEqual({ data: { all: ['milk'] } });
  });

  it('answers WebSocket messages', async () => {
    const socket = new WebSocket(origin.replace('http', 'ws'));
    await once(socket, 'open');
    socket.send(JSON.stringify({ event: 'say', data: 'hello' }));
    const [message] = (await once(socket, 'message')) as [Buffer];
    expect(JSON.parse(message.toString())).toEqual({ event: 'said', data: 'hello' });
    socket.close();
    await once(socket, 'close');
  });

  it('answers messages, and takes events', async () => {
    expect(await firstValueFrom(client.send('sum', [1, 2, 3]))).toBe(6);
    for (const id of [1, 2, 3]) client.emit('paid', id);
    await until(() => paid.length === 3);
    expect(paid).toEqual([1, 2, 3]);
  });

  it('does things on time', async () => {
    await until(() => app.get(Ticks).count > 1);
  });

  it('describes its API', async () => {
    const [, document] = await get('/api-json');
    const { paths } = document as { paths: Record<string, Record<string, { security?: unknown }>> };
    expect(paths['/orders']?.get?.security).toEqual([{ bearer: [] }]);
    expect(paths['/orders/prices']?.get?.security).toBeUndefined();
  });
});
