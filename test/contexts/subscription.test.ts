import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import { Module, type Type } from '@nestjs/common';
import { GraphQLModule, Query, Resolver, Subscription } from '@nestjs/graphql';
import type { MercuriusDriverConfig } from '@nestjs/mercurius';
import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { AuthInfo, Public, RequireScopes } from 'nestjs-mcp-auth';
import { MercuriusDriver } from '../support/mercurius.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import type { Platform } from '../support/platforms.js';
import { bearer } from '../support/rpc.js';

const ran: string[] = [];

async function* once(name: string, value: string): AsyncGenerator<Record<string, string>> {
  ran.push(name);
  yield { [name]: value };
}

@Resolver()
class Ticks {
  @Query(() => String)
  hello(): string {
    return 'hello';
  }

  @Subscription(() => String)
  plain(): AsyncGenerator<unknown> {
    return once('plain', 'ran');
  }

  @Subscription(() => String)
  @Public()
  open(): AsyncGenerator<unknown> {
    return once('open', 'ran');
  }

  @Subscription(() => String)
  @RequireScopes('a')
  scoped(@AuthInfo('subject') subject: string): AsyncGenerator<unknown> {
    return once('scoped', subject);
  }
}

@Module({
  imports: [
    GraphQLModule.forRoot<ApolloDriverConfig>({
      driver: ApolloDriver,
      autoSchemaFile: true,
      subscriptions: { 'graphql-ws': true },
    }),
  ],
})
class Apollo {}

@Module({
  imports: [
    GraphQLModule.forRoot<MercuriusDriverConfig>({
      driver: MercuriusDriver,
      autoSchemaFile: true,
      subscription: { context: (_socket, request) => ({ request }) },
    }),
  ],
})
class Mercurius {}

const DRIVERS: [name: string, platform: Platform, module: Type][] = [
  ['Apollo on Express', 'express', Apollo],
  ['Mercurius on Fastify', 'fastify', Mercurius],
];

/** The first value, or the errors, of a subscription. */
function subscribe(server: NotesServer, name: string, headers: Record<string, string> = {}): Promise<unknown> {
  class WithHeaders extends WebSocket {
    constructor(address: string, protocols: string[]) {
      super(address, protocols, { headers });
    }
  }
  const connectionParams = {
    headers: { authorization: 'Bearer x' },
    extra: { request: { headers: { authorization: 'Bearer x' } } },
  };
  const client = createClient({
    url: `${server.origin.replace('http', 'ws')}/graphql`,
    webSocketImpl: WithHeaders,
    connectionParams,
    retryAttempts: 0,
  });
  return new Promise<unknown>((resolve, reject) => {
    client.subscribe(
      { query: `subscription { ${name} }` },
      { next: resolve, error: (errors) => resolve({ errors }), complete: () => reject(new Error('Nothing came')) },
    );
  }).finally(() => void client.dispose());
}

describe.each(DRIVERS)('GraphQL subscriptions with %s', (_name, platform, module) => {
  let server: NotesServer;
  beforeAll(async () => {
    server = await startNotesServer(platform, { issuer: { alg: 'ES256' }, imports: [module], providers: [Ticks] });
  });
  afterAll(() => server.close());
  beforeEach(() => {
    ran.length = 0;
  });

  it('LIB-26: begin as before where nothing is declared, or where they are public', async () => {
    expect(await subscribe(server, 'plain')).toEqual({ data: { plain: 'ran' } });
    expect(await subscribe(server, 'open')).toEqual({ data: { open: 'ran' } });
  });

  it('are refused without a token in the upgrade request, whatever the client sends besides', async () => {
    expect(await subscribe(server, 'scoped')).toMatchObject({ errors: [{ message: 'Authorization is required.' }] });
    expect(ran).toEqual([]);
  });

  it('begin for the caller whose token is in the upgrade request, with its scopes', async () => {
    expect(await subscribe(server, 'scoped', bearer(await server.mint()))).toMatchObject({
      errors: [{ message: expect.stringContaining('scope') }],
    });
    expect(await subscribe(server, 'scoped', bearer(await server.mint({ scope: 'a' })))).toEqual({
      data: { scoped: 'alice' },
    });
    expect(ran).toEqual(['scoped']);
  });
});
