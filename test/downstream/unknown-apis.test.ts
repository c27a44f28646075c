import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, Injectable, SetMetadata } from '@nestjs/common';
import { McpController, Tool } from '@rekog/mcp-nest';
import { AuthInfo, DownstreamToken, McpAuthModule, type McpAuthModuleOptions } from 'nestjs-mcp-auth';
import { GOOD, refusal, start, stop } from '../options/started-app.js';
import { PLATFORMS } from '../support/platforms.js';

const CALENDAR = {
  grant: 'token-exchange',
  clientId: 'notes',
  auth: { method: 'client_secret_basic', clientSecret: 'canary-secret' },
  audience: 'calendar',
} as const;

const OPTIONS: McpAuthModuleOptions = { ...GOOD, downstream: { calendar: CALENDAR, mail: CALENDAR } };

@McpController()
class Tools {
  @Tool({ name: 'events', description: 'Misspells the API' })
  events(@AuthInfo('subject') subject: string, @DownstreamToken('calender') token: string): string {
    return subject + token;
  }
}

@Controller('events')
class Routes {
  @Get()
  events(@DownstreamToken('Mail') token: string): string {
    return token;
  }

  @Get('right')
  right(@DownstreamToken('mail') token: string): string {
    return token;
  }
}

@Controller('inherited')
class Inherited extends Routes {}

/** Its framework calls methods itself. */
@Injectable()
class DirectTools {
  @SetMetadata('mcp:tool', { name: 'direct' })
  direct(@DownstreamToken('') token?: string): string {
    return String(token);
  }
}

@Controller('right')
class Right {
  @Get()
  events(@DownstreamToken('calendar') token: string): string {
    return token;
  }
}

describe.each(PLATFORMS)('@DownstreamToken() with a name that the options do not have, on %s', (platform) => {
  afterEach(stop);

  it('LIB-29: stops the start, with all such parameters and the names that there are', async () => {
    const module = { ...McpAuthModule.forRoot(OPTIONS) };
    module.providers = [...(module.providers ?? []), DirectTools];
    const error = await refusal(() => module, [Tools, Routes, Inherited], platform);
    expect(error.problems.map(({ option, seen }) => [option, seen])).toEqual([
      ['@DownstreamToken() of Tools.events', '"calender"'],
      ['@DownstreamToken() of Routes.events', '"Mail"'],
      ['@DownstreamToken() of Inherited.events', '"Mail"'],
      ['@DownstreamToken() of DirectTools.direct', '""'],
    ]);
    expect(error.message).toContain('Write one of "calendar", "mail", or add this one to the option downstream');
    expect(error.message).not.toContain('canary-secret');
  });

  it('LIB-29: stops the start if the options have no API, also those of a factory', async () => {
    const module = (): ReturnType<typeof McpAuthModule.forRootAsync> =>
      McpAuthModule.forRootAsync({ useFactory: () => GOOD });
    const error = await refusal(module, [Right], platform);
    expect(error.message).toContain('@DownstreamToken() of Right.events');
    expect(error.message).toContain('No API is configured');
  });

  it('LIB-29: stops the start for an API whose tokens are bound to a key', async () => {
    const options = { ...OPTIONS, downstream: { calendar: { ...CALENDAR, dpop: true } } } as const;
    const error = await refusal(() => McpAuthModule.forRoot(options), [Right], platform);
    expect(error.problems.map(({ option, seen }) => [option, seen])).toEqual([
      ['@DownstreamToken() of Right.events', '"calendar"'],
    ]);
    expect(error.message).toContain('Inject McpAuthDownstream, and call fetch or headersFor');
  });

  it('lets an application start that writes the right names', async () => {
    await expect(start(McpAuthModule.forRoot(OPTIONS), [Right], platform)).resolves.toHaveProperty('origin');
  });
});
