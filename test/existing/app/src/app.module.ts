import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import { CacheModule } from '@nestjs/cache-manager';
import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { GraphQLModule } from '@nestjs/graphql';
import { JwtModule } from '@nestjs/jwt';
import { ScheduleModule } from '@nestjs/schedule';
import { ThrottlerGuard, ThrottlerModule } from '@nestjs/throttler';
import { AppController } from './app.controller.js';
import { AppService } from './app.service.js';
import { ChatGateway } from './chat.gateway.js';
import { JwtStrategy, LoginController, SECRET } from './login.js';
import { OrdersController } from './orders.controller.js';
import { OrdersResolver } from './orders.resolver.js';
import { Ticks } from './ticks.js';

@Module({
  imports: [
    ThrottlerModule.forRoot({
      throttlers: [{ ttl: 60_000, limit: 1_000 }],
      skipIf: (context) => context.getType() !== 'http',
    }),
    CacheModule.register(),
    ScheduleModule.forRoot(),
    GraphQLModule.forRoot<ApolloDriverConfig>({ driver: ApolloDriver, autoSchemaFile: true }),
    JwtModule.register({ secret: SECRET, signOptions: { expiresIn: '5m' } }),
  ],
  controllers: [AppController, LoginController, OrdersController],
  providers: [
    AppService,
    ChatGateway,
    JwtStrategy,
    OrdersResolver,
    Ticks,
    { provide: APP_GUARD, useClass: ThrottlerGuard },
  ],
})
export class AppModule {}
