import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import { Module, type Type } from '@nestjs/common';
import { GraphQLModule } from '@nestjs/graphql';
import type { MercuriusDriverConfig } from '@nestjs/mercurius';
import { MercuriusDriver } from './mercurius.js';
import type { Platform } from './platforms.js';

@Module({
  imports: [
    GraphQLModule.forRoot<ApolloDriverConfig>({ driver: ApolloDriver, autoSchemaFile: true, csrfPrevention: false }),
  ],
})
class ApolloModule {}

@Module({ imports: [GraphQLModule.forRoot<MercuriusDriverConfig>({ driver: MercuriusDriver, autoSchemaFile: true })] })
class MercuriusModule {}

/** Each driver of GraphQL, with the platform that it runs on. A module makes its schema from the resolvers beside it. */
export const GRAPHQL_DRIVERS: readonly [name: string, platform: Platform, module: Type][] = [
  ['Apollo on Express', 'express', ApolloModule],
  ['Mercurius on Fastify', 'fastify', MercuriusModule],
];
