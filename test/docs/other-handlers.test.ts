import 'reflect-metadata';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import { Module } from '@nestjs/common';
import { GraphQLModule, Query, Resolver } from '@nestjs/graphql';
import { WsAdapter } from '@nestjs/platform-ws';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { AuthInfo, Public, RequireScopes } from 'nestjs-mcp-auth';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { bearer } from '../support/rpc.js';
import { openWs } from '../support/sockets.js';

/** The code of docs/guides/other-handlers.md, and what the page says of it. */

// #region graphql
@Resolver()
class NotesResolver {
  @Query(() => String)
  motd(): string {
    return 'for everybody, as before';
  }

  @Query(() => [String])
  @RequireScopes('notes:read')
  notes(@AuthInfo('subject') subject: string): string[] {
    return [`a note of ${subject}`];
  }

  @Query(() => String, { nullable: true })
  @Public()
  greeting(): string {
    return 'for everybody';
  }
}

@Module({
  imports: [
    GraphQLModule.forRoot<ApolloDriverConfig>({
      driver: ApolloDriver,
      autoSchemaFile: true,
      fieldResolverEnhancers: ['guards', 'filters'],
    }),
  ],
  providers: [NotesResolver],
})
class ApiModule {}
// #endregion

// #region gateway
@WebSocketGateway()
class NotesGateway {
  @SubscribeMessage('add')
  @RequireScopes('notes:write')
  add(@MessageBody() text: string, @AuthInfo('subject') subject: string) {
    return { event: 'added', data: `${text}, by ${subject}` };
  }
}
// #endregion

let server: NotesServer;
beforeEach(async () => {
  server = await startNotesServer('express', {
    issuer: { alg: 'ES256' },
    imports: [ApiModule],
    providers: [NotesGateway],
    prepare: (app) => void app.useWebSocketAdapter(new WsAdapter(app)),
  });
});
afterEach(() => server.close());

it('protects resolvers that say so, and no others', async () => {
  const ask = async (query: string, token?: string): Promise<unknown> => {
    const headers = { 'Content-Type': 'application/json', ...bearer(token) };
    const response = await fetch(`${server.origin}/graphql`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ query }),
    });
    return response.json();
  };
  expect(await ask('{ motd greeting }')).toEqual({
    data: { motd: 'for everybody, as before', greeting: 'for everybody' },
  });
  expect(await ask('{ notes }')).toMatchObject({
    errors: [{ message: 'Authorization is required.', extensions: { code: 'UNAUTHENTICATED' } }],
  });
  expect(await ask('{ notes }', await server.mint({ scope: 'notes:read' }))).toEqual({
    data: { notes: ['a note of alice'] },
  });
});

it('protects handlers of a gateway that say so, by the token of the upgrade request', async () => {
  const [anybody, alice] = await Promise.all([
    openWs(server.origin),
    openWs(server.origin, bearer(await server.mint({ scope: 'notes:write' }))),
  ]);
  expect(await anybody.ask('add', 'x')).toMatchObject({ event: 'exception' });
  expect(await alice.ask('add', 'x')).toEqual({ event: 'added', data: 'x, by alice' });
  anybody.close();
  alice.close();
});
