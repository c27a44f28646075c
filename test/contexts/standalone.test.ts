import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, Injectable, Module, type INestApplicationContext, type INestMicroservice } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  ClientProxyFactory,
  EventPattern,
  MessagePattern,
  Transport,
  type ClientProxy,
  type MicroserviceOptions,
} from '@nestjs/microservices';
import { firstValueFrom } from 'rxjs';
import { McpAuthConfigError, McpAuthModule, McpAuthService, Public, RequireScopes } from 'nestjs-mcp-auth';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { freePort } from '../support/free-port.js';

const RESOURCE = 'https://mcp.example.com/mcp';
const LIFELESS = { logger: false, abortOnError: false } as const;

function moduleFor(
  parts: { controllers?: object[]; providers?: object[] },
  issuer = 'https://login.example.com',
): object {
  @Module({
    imports: [
      McpAuthModule.forRoot({
        resource: RESOURCE,
        authorizationServers: [issuer],
        checkAuthorizationServers: false,
      }),
    ],
    ...(parts as object),
  })
  class App {}
  return App;
}

@Injectable()
class Notes {
  list(): string[] {
    return ['a note'];
  }
}

@Injectable()
class Decorated {
  @RequireScopes('a')
  list(): string[] {
    return [];
  }
}

@Controller()
class Orders {
  @MessagePattern('get')
  get(id: number): object {
    return { id };
  }

  @MessagePattern('open')
  @Public()
  open(): string {
    return 'ran';
  }
}

@Controller()
class ProtectedOrders extends Orders {
  @EventPattern('paid')
  @RequireScopes('a')
  paid(_id: unknown): void {}
}

describe('An application without a server (NestFactory.createApplicationContext)', () => {
  let app: INestApplicationContext | undefined;
  afterEach(async () => app?.close());

  it('LIB-26: calls its methods as before, has no caller, and verifies tokens', async () => {
    const issuer = await TestIssuer.start({ alg: 'ES256', audience: RESOURCE });
    const parts = { providers: [Notes], controllers: [Orders] };
    app = await NestFactory.createApplicationContext(moduleFor(parts, issuer.issuer), LIFELESS);
    expect(app.get(Notes).list()).toEqual(['a note']);
    const service = app.get(McpAuthService);
    expect(await service.verify(await issuer.mint({ sub: 'bob' }))).toMatchObject({ subject: 'bob' });
    await expect(service.verify(await issuer.mint({ exp: 1 }))).rejects.toMatchObject({ code: 'invalid_token' });
    await issuer.close();
  });

  it.each([
    ['a method of a provider', { providers: [Decorated] }, /Decorated\.list: saw @RequireScopes\("a"\) on no handler/],
    ['a handler of messages', { controllers: [ProtectedOrders] }, /ProtectedOrders\.paid: saw a protected handler/],
  ])('does not start where requirements could not be enforced: %s', async (_name, parts, message) => {
    const starting = NestFactory.createApplicationContext(moduleFor(parts), LIFELESS);
    await expect(starting).rejects.toThrow(McpAuthConfigError);
    await expect(NestFactory.createApplicationContext(moduleFor(parts), LIFELESS)).rejects.toThrow(message);
  });
});

describe('An application of microservices alone (NestFactory.createMicroservice)', () => {
  let app: INestMicroservice | undefined;
  let client: ClientProxy | undefined;
  afterEach(async () => {
    client?.close();
    await app?.close();
  });

  async function start(controllers: object[]): Promise<void> {
    const tcp = { transport: Transport.TCP as const, options: { host: '127.0.0.1', port: await freePort() } };
    const microservice = { ...tcp, ...LIFELESS };
    app = await NestFactory.createMicroservice<MicroserviceOptions>(moduleFor({ controllers }), microservice);
    await app.listen();
    client = ClientProxyFactory.create(tcp);
  }

  it('LIB-26: runs its handlers as before, although the guard is global', async () => {
    await start([Orders]);
    expect(await firstValueFrom(client!.send('get', 7))).toEqual({ id: 7 });
    expect(await firstValueFrom(client!.send('open', 7))).toBe('ran');
  });

  it('does not start with a protected handler', async () => {
    await expect(start([ProtectedOrders])).rejects.toThrow(/ProtectedOrders\.paid: saw a protected handler/);
  });
});
