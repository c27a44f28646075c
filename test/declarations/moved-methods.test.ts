import 'reflect-metadata';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, Inject, Scope } from '@nestjs/common';
import { REQUEST } from '@nestjs/core';
import { RouterExecutionContext } from '@nestjs/core/router/router-execution-context.js';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { AuthInfo, McpAuthConfigError, RequireScopes } from 'nestjs-mcp-auth';
import { McpTool } from 'nestjs-mcp-auth/sdk';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';

type Create = (
  this: unknown,
  instance: unknown,
  callback: (...args: unknown[]) => unknown,
  ...rest: unknown[]
) => unknown;

/** As the instrumentation of OpenTelemetry for Nest does it. Returns what undoes it. */
function trace(): () => void {
  const context = RouterExecutionContext.prototype as unknown as { create: Create };
  const { create } = context;
  context.create = function (instance, callback, ...rest) {
    const traced = function (this: unknown, ...args: unknown[]): unknown {
      return callback.apply(this, args);
    };
    Object.defineProperty(traced, 'name', { value: callback.name });
    for (const key of Reflect.getMetadataKeys(callback))
      Reflect.defineMetadata(key, Reflect.getMetadata(key, callback), traced);
    return create.call(this, instance, traced, ...rest);
  };
  return () => void (context.create = create);
}

describe.each(PLATFORMS)('a method in a place of its own, on %s', (platform) => {
  let server: NotesServer | undefined;
  afterEach(async () => {
    await server?.close();
    server = undefined;
  });

  async function statuses(paths: readonly string[], scope: string): Promise<number[]> {
    const token = await server!.mint({ scope });
    const answers = await Promise.all(
      paths.map((path) => fetch(`${server!.origin}${path}`, { headers: { authorization: `Bearer ${token}` } })),
    );
    return answers.map(({ status }) => status);
  }

  it.each([
    ['', Scope.DEFAULT],
    [' for each request', Scope.REQUEST],
  ])(
    'is served where it is bound and declares nothing, beside one that does, in a controller that is made%s',
    async (_when, scope) => {
      @Controller({ path: 'subject', scope })
      class Subject {
        constructor(@Inject(REQUEST) readonly request: unknown) {
          this.open = this.open.bind(this);
          this.me = this.me.bind(this);
        }

        @Get('open')
        open(): object {
          return {};
        }

        @Get('me')
        me(@AuthInfo('subject') subject: string): object {
          return { subject };
        }

        @Get('act')
        @RequireScopes('admin')
        act(): object {
          return {};
        }
      }
      server = await startNotesServer(platform, { controllers: [Subject] });
      expect(await statuses(['/subject/open', '/subject/me', '/subject/act'], 'a')).toEqual([200, 200, 403]);
      expect(await statuses(['/subject/act'], 'admin')).toEqual([200]);
    },
  );

  it('is served where another function stands for it that declares as little', async () => {
    @Controller('subject')
    class Subject {
      constructor() {
        const { open } = this;
        Object.defineProperty(this, 'open', { value: (...args: []) => open.apply(this, args) });
      }

      @Get('open')
      open(): object {
        return {};
      }

      @Get('act')
      @RequireScopes('admin')
      act(): object {
        return {};
      }
    }
    server = await startNotesServer(platform, { controllers: [Subject] });
    expect(await statuses(['/subject/open', '/subject/act'], 'a')).toEqual([200, 403]);
  });

  it('is served where a tracer puts a function of its name around every handler, with the metadata', async () => {
    @Controller('subject')
    class Subject {
      @Get('open')
      open(): object {
        return {};
      }

      @Get('act')
      @RequireScopes('admin')
      act(): object {
        return {};
      }
    }
    const restore = trace();
    try {
      server = await startNotesServer(platform, { controllers: [Subject] });
    } finally {
      restore();
    }
    expect(await statuses(['/subject/open', '/subject/act'], 'a')).toEqual([200, 403]);
    expect(await statuses(['/subject/act'], 'admin')).toEqual([200]);
  });

  class Written {
    @Get('me')
    me(@AuthInfo('subject') subject: string): object {
      return { subject };
    }

    @McpTool({ name: 'told' })
    told(@AuthInfo('subject') subject: string): object {
      return { subject };
    }

    @SubscribeMessage('sent')
    sent(@AuthInfo('subject') subject: string): object {
      return { subject };
    }
  }

  it.each(['me', 'told', 'sent'])(
    'LIB-20: stops the start where it wants the caller and was copied from another class: %s',
    async (name) => {
      class Copied {}
      Object.defineProperty(Copied.prototype, name, Object.getOwnPropertyDescriptor(Written.prototype, name)!);
      if (name === 'sent') WebSocketGateway()(Copied);
      else Controller('subject')(Copied);
      const isController = name !== 'sent';
      const started = startNotesServer(platform, {
        controllers: isController ? [Copied] : [],
        providers: isController ? [] : [Copied],
      });
      await expect(started).rejects.toThrow(McpAuthConfigError);
      await expect(started).rejects.toThrow(
        `Copied.${name}: saw a method with @AuthInfo() that was written in another class`,
      );
    },
  );

  it('is served where it wants the caller and is inherited', async () => {
    @Controller('subject')
    class Inherited extends Written {}
    server = await startNotesServer(platform, { controllers: [Inherited] });
    expect(await statuses(['/subject/me'], 'a')).toEqual([200]);
  });
});
