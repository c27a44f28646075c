import 'reflect-metadata';
import { Controller, Get } from '@nestjs/common';
import { MessagePattern } from '@nestjs/microservices';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  Authorize,
  McpAuthConfigError,
  McpAuthModule,
  ProtectedResource,
  Public,
  RequireAnyScope,
  RequireAuthentication,
  RequireScopes,
  type McpAuthModuleOptions,
} from 'nestjs-mcp-auth';
import { parseChallenges } from 'nestjs-mcp-auth/testing';
import { PLATFORMS } from '../support/platforms.js';
import { ONE, GOOD, start, stop, refusal, expectHelpful, several } from './started-app.js';

describe('decorators that cannot be used', () => {
  afterEach(stop);

  const BAD_SCOPES: readonly (readonly [what: string, scopes: readonly unknown[], seen: string])[] = [
    ['no scopes', [], 'nothing'],
    ['an empty scope', [''], '""'],
    ['two scopes in one string', ['a b'], '"a b"'],
    ['a quote', ['a"'], '"a\\""'],
    ['a backslash', ['a\\'], '"a\\\\"'],
    ['a letter that is not ASCII', ['é'], '"é"'],
    ['a line break', ['a\r\nX: y'], '"a\\r\\nX: y"'],
    ['a list', [['a', 'b']], '["a","b"]'],
    ['something other than text', ['a', 1, null], '1, null'],
    ['a scope of the authorization server alone', ['a', 'offline_access'], '"offline_access"'],
  ];

  describe.each([['RequireScopes', RequireScopes] as const, ['RequireAnyScope', RequireAnyScope] as const])(
    '@%s',
    (name, decorator) => {
      it.each(BAD_SCOPES)('refuses %s when the class is loaded', (_, scopes, seen) => {
        let error: unknown;
        try {
          (decorator as (...given: readonly unknown[]) => unknown)(...scopes);
        } catch (thrown) {
          error = thrown;
        }
        expect(error).toBeInstanceOf(McpAuthConfigError);
        expect((error as McpAuthConfigError).problems).toEqual([
          {
            option: `@${name}()`,
            seen,
            why: expect.stringContaining('visible ASCII'),
            write: `Write @${name}('notes:read')`,
          },
        ]);
      });

      it('takes every character a scope may have', () => {
        expect(() =>
          decorator('!#$%&()*+,-./:;<=>?@[]^_`{|}~', "it's", 'https://graph.example.com/Mail.Read'),
        ).not.toThrow();
      });
    },
  );

  it.each([
    ['nothing', {}, '{}'],
    ['an empty list of classes', { acr: [] }, '{"acr":[]}'],
    ['a class with a space', { acr: ['a', 'b c'] }, '{"acr":["a","b c"]}'],
    ['an empty class', { acr: '' }, '{"acr":""}'],
    ['a negative age', { maxAgeSeconds: -1 }, '{"maxAgeSeconds":-1}'],
    ['a fraction of a second', { acr: 'a', maxAgeSeconds: 0.5 }, '{"acr":"a","maxAgeSeconds":0.5}'],
    ['an age as text', { maxAgeSeconds: '300' }, '{"maxAgeSeconds":"300"}'],
  ])('@RequireAuthentication refuses %s when the class is loaded', (_, requirement, seen) => {
    let error: unknown;
    try {
      RequireAuthentication(requirement as object);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(McpAuthConfigError);
    expect((error as McpAuthConfigError).problems).toEqual([
      expect.objectContaining({ option: '@RequireAuthentication()', seen }),
    ]);
    expectHelpful(error as McpAuthConfigError);
  });

  @Controller('method')
  class PublicMethod {
    @Get()
    @Public()
    @RequireScopes('a')
    contradictory(): string {
      return '';
    }

    @Get('fine')
    @Public()
    fine(): string {
      return '';
    }
  }

  @Controller('class')
  @RequireAnyScope('a', 'b')
  @Public()
  class PublicClass {
    @Get()
    one(): string {
      return '';
    }

    @Get('two')
    two(): string {
      return '';
    }
  }

  @Controller('policy')
  class PublicPolicy {
    @Get()
    @Authorize(() => true)
    @Public()
    contradictory(): string {
      return '';
    }
  }

  @Controller('authentication')
  class PublicAuthentication {
    @Get()
    @RequireAuthentication({ acr: 'mfa' })
    @Public()
    contradictory(): string {
      return '';
    }
  }

  @Controller()
  @Public()
  class MessageController {
    @MessagePattern('anything')
    @Public()
    @RequireScopes('a')
    contradictory(): string {
      return '';
    }
  }

  it('refuses to start with @Public() beside requirements on one method or one class, naming each once', async () => {
    const error = await refusal(
      () => McpAuthModule.forRoot(GOOD),
      [PublicMethod, PublicClass, PublicPolicy, PublicAuthentication, MessageController],
    );
    expect(error.problems).toEqual(
      [
        'PublicMethod.contradictory',
        'PublicClass',
        'PublicPolicy.contradictory',
        'PublicAuthentication.contradictory',
        'MessageController.contradictory',
      ].map((option) => ({
        option,
        seen: '@Public() beside requirements',
        why: 'it is declared both public and protected',
        write: 'Remove @Public(), or the requirements',
      })),
    );
    expectHelpful(error);
  });

  it.each(['forRoot', 'forRootAsync'] as const)(
    'refuses to start with them however the options are given: %s',
    async (how) => {
      const module =
        how === 'forRoot' ? McpAuthModule.forRoot(GOOD) : McpAuthModule.forRootAsync({ useFactory: () => GOOD });
      expect((await refusal(() => module, [PublicMethod])).problems).toHaveLength(1);
    },
  );

  it('takes a public method in a protected class, and a protected method in a public class', async () => {
    @Controller('a')
    @RequireScopes('a')
    class Protected {
      @Get()
      @Public()
      open(): string {
        return 'open';
      }
    }

    @Controller('b')
    @Public()
    class Open {
      @Get()
      @RequireScopes('a')
      closed(): string {
        return 'closed';
      }
    }
    const { origin } = await start(McpAuthModule.forRoot(GOOD), [Protected, Open]);
    expect([(await fetch(`${origin}/a`)).status, (await fetch(`${origin}/b`)).status]).toEqual([200, 401]);
  });

  @Controller('stray')
  @ProtectedResource('unknown')
  class Stray {
    @Get()
    one(): string {
      return '';
    }

    @Get('two')
    two(): string {
      return '';
    }
  }

  @Controller('empty')
  class EmptyId {
    @Get()
    @ProtectedResource('')
    one(): string {
      return '';
    }
  }

  const RESOURCES = several(
    { ...ONE, id: 'notes' },
    { ...ONE, resource: 'https://mcp.example.com/mail' },
  ) as McpAuthModuleOptions;

  it('refuses to start with a @ProtectedResource() that is not configured, naming those that are', async () => {
    const error = await refusal(() => McpAuthModule.forRoot({ ...GOOD, id: 'notes' }), [Stray, EmptyId]);
    expect(error.problems).toEqual([
      {
        option: '@ProtectedResource() of Stray',
        seen: '"unknown"',
        why: 'no resource has this id',
        write: 'Known are "notes"',
      },
      {
        option: '@ProtectedResource() of EmptyId',
        seen: '""',
        why: 'no resource has this id',
        write: 'Known are "notes"',
      },
    ]);
  });

  @Controller('unlabelled')
  class Unlabelled {
    @Get()
    one(): string {
      return '';
    }
  }

  @Controller('half')
  class HalfLabelled {
    @Get('labelled')
    @ProtectedResource('notes')
    labelled(): string {
      return '';
    }

    @Get('unlabelled')
    @RequireScopes('a')
    unlabelled(): string {
      return '';
    }

    @Get('open')
    @Public()
    open(): string {
      return '';
    }
  }

  it('refuses to start with several resources and a protected route that belongs to none of them', async () => {
    const error = await refusal(() => McpAuthModule.forRoot(RESOURCES), [Unlabelled, HalfLabelled]);
    const why = 'with several resources, each protected route must say whose tokens it accepts';
    const write = 'Known are "notes", "https://mcp.example.com/mail"; or declare the route @Public()';
    expect(error.problems).toEqual([
      { option: '@ProtectedResource() of Unlabelled', seen: 'nothing', why, write },
      { option: '@ProtectedResource() of HalfLabelled', seen: 'nothing', why, write },
    ]);
    expectHelpful(error);
  });

  it('lists all kinds of problems with decorators at once', async () => {
    const error = await refusal(() => McpAuthModule.forRoot(RESOURCES), [Stray, Unlabelled, PublicPolicy]);
    expect(error.problems.map(({ option }) => option)).toEqual([
      '@ProtectedResource() of Stray',
      '@ProtectedResource() of Unlabelled',
      'PublicPolicy.contradictory',
    ]);
  });

  it.each(PLATFORMS)('starts with several resources where every route says whose it is, on %s', async (platform) => {
    @Controller('notes')
    @ProtectedResource('notes')
    class Notes {
      @Get()
      one(): string {
        return '';
      }

      @Get('mail')
      @ProtectedResource('https://mcp.example.com/mail')
      two(): string {
        return '';
      }
    }
    const { origin } = await start(McpAuthModule.forRoot(RESOURCES), [Notes], platform);
    const metadataOf = async (path: string): Promise<string | undefined> =>
      parseChallenges((await fetch(origin + path)).headers.get('www-authenticate') as string)[0]?.params[
        'resource_metadata'
      ];
    expect(await metadataOf('/notes')).toBe('https://mcp.example.com/.well-known/oauth-protected-resource/mcp');
    expect(await metadataOf('/notes/mail')).toBe('https://mcp.example.com/.well-known/oauth-protected-resource/mail');
  });
});
