import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import { Module, type Type } from '@nestjs/common';
import { GraphQLModule, Query, Resolver } from '@nestjs/graphql';
import type { MercuriusDriverConfig } from '@nestjs/mercurius';
import { RequireScopes } from 'nestjs-mcp-auth';
import { startDpopServer, type DpopServer } from '../support/dpop-server.js';
import { MercuriusDriver } from '../support/mercurius.js';
import type { Platform } from '../support/platforms.js';

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

@Module({
  imports: [
    GraphQLModule.forRoot<ApolloDriverConfig>({ driver: ApolloDriver, autoSchemaFile: true, csrfPrevention: false }),
  ],
})
class ApolloModule {}

@Module({ imports: [GraphQLModule.forRoot<MercuriusDriverConfig>({ driver: MercuriusDriver, autoSchemaFile: true })] })
class MercuriusModule {}

const DRIVERS: [name: string, platform: Platform, module: Type][] = [
  ['Apollo on Express', 'express', ApolloModule],
  ['Mercurius on Fastify', 'fastify', MercuriusModule],
];

describe.each(DRIVERS)('DPoP with %s', (_name, platform, module) => {
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
