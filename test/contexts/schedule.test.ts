import { EventEmitter, once } from 'node:events';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, Inject, Injectable, UseGuards, type Type } from '@nestjs/common';
import { Cron, CronExpression, Interval, ScheduleModule, SchedulerRegistry, Timeout } from '@nestjs/schedule';
import { AuthInfo, Authorize, McpAuthGuard, McpAuthService, Public, RequireScopes } from 'nestjs-mcp-auth';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { bearer } from '../support/rpc.js';

/** Emits the name of each method that a timer has called, with the caller that the service knows there. */
const timers = new EventEmitter();

@Injectable()
class Jobs {
  constructor(@Inject(McpAuthService) private readonly service: McpAuthService) {}

  @Cron(CronExpression.EVERY_SECOND, { name: 'nightly' })
  nightly(): void {
    timers.emit('nightly', this.service.authInfo);
  }

  @Interval(5)
  often(): void {
    timers.emit('often', this.service.authInfo);
  }

  @Timeout(5)
  @Public()
  later(): void {
    timers.emit('later', this.service.authInfo);
  }
}

@Controller('reports')
@RequireScopes('reports')
class Reports {
  @Get()
  list(): string[] {
    return [];
  }

  /** The requirements of the class are those of its routes. */
  @Interval(5)
  refresh(): void {
    timers.emit('refresh');
  }
}

describe.each(PLATFORMS)('Methods that @nestjs/schedule calls, on %s', (platform) => {
  let server: NotesServer | undefined;
  afterEach(async () => {
    await server?.close();
    server = undefined;
  });

  const start = async (providers: Type[], controllers: Type[] = []): Promise<NotesServer> => {
    server = await startNotesServer(platform, {
      issuer: { alg: 'ES256' },
      imports: [ScheduleModule.forRoot()],
      providers,
      controllers,
    });
    return server;
  };

  it('LIB-26: run as before where nothing is declared, without a caller, and so do those of a class with routes', async () => {
    const called = Promise.all([once(timers, 'often'), once(timers, 'later'), once(timers, 'refresh')]);
    const running = await start([Jobs], [Reports]);
    const [[often], [later]] = await called;
    expect([often, later]).toEqual([undefined, undefined]);
    const nightly = once(timers, 'nightly');
    await running.app.get(SchedulerRegistry).getCronJob('nightly').fireOnTick();
    expect(await nightly).toStrictEqual([undefined]);
    const reports = `${running.origin}/reports`;
    expect((await fetch(reports)).status).toBe(401);
    expect((await fetch(reports, { headers: bearer(await running.mint({ scope: 'reports' })) })).status).toBe(200);
    expect(running.log.filter((line) => line.includes('Scheduler'))).toEqual([]);
  });

  const DECORATED: [
    written: string,
    decorate: (target: object, key: string, descriptor: PropertyDescriptor) => void,
  ][] = [
    ['@RequireScopes("a")', RequireScopes('a')],
    ['@Authorize()', Authorize(() => true)],
    ['@UseGuards(McpAuthGuard)', UseGuards(McpAuthGuard)],
    ['@AuthInfo()', (target, key) => AuthInfo()(target, key, 0)],
  ];

  it.each(DECORATED)('stop the start where they are protected: %s', async (written, decorate) => {
    class Decorated {
      @Cron(CronExpression.EVERY_DAY_AT_1AM)
      nightly(_caller?: unknown): void {}
    }
    decorate(Decorated.prototype, 'nightly', Object.getOwnPropertyDescriptor(Decorated.prototype, 'nightly')!);
    const sharedIssuer = await TestIssuer.start({ alg: 'ES256' });
    const starting = startNotesServer(platform, {
      sharedIssuer,
      imports: [ScheduleModule.forRoot()],
      providers: [Decorated],
    });
    await expect(starting).rejects.toThrow(
      `Decorated.nightly: saw ${written} on a method that @nestjs/schedule calls; a timer has no caller, and Nest runs no guards for it. Remove`,
    );
    await sharedIssuer.close();
  });

  it.each([
    ['@RequireScopes()', RequireScopes('a') as ClassDecorator],
    ['@UseGuards(McpAuthGuard)', UseGuards(McpAuthGuard) as ClassDecorator],
  ])('stop the start where %s is on a class without handlers', async (_name, decorate) => {
    class OnlyJobs {
      @Interval(1_000_000)
      often(): void {}
    }
    decorate(OnlyJobs);
    const sharedIssuer = await TestIssuer.start({ alg: 'ES256' });
    const starting = startNotesServer(platform, {
      sharedIssuer,
      imports: [ScheduleModule.forRoot()],
      providers: [OnlyJobs],
    });
    await expect(starting).rejects.toThrow(/- OnlyJobs/);
    await sharedIssuer.close();
  });
});
