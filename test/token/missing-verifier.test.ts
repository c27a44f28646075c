import { Injectable, Scope, type INestApplication, type Type } from '@nestjs/common';
import { describe, expect, it } from '@jest/globals';
import { McpAuthConfigError, TokenVerifier } from 'nestjs-mcp-auth';
import { initBareApplication } from '../support/bare-application.js';
import { expectNoTrace } from '../support/expectations.js';

describe('an application whose verifier cannot be had', () => {
  @Injectable()
  class Missing {}

  @Injectable()
  class Needy extends TokenVerifier {
    constructor(readonly missing: Missing) {
      super();
    }

    override verify(): never {
      throw new Error('never');
    }
  }

  @Injectable({ scope: Scope.REQUEST })
  class PerRequest extends TokenVerifier {
    override verify(): never {
      throw new Error('never');
    }
  }

  const start = (verifier: unknown, providers: Type[] = []): Promise<INestApplication> =>
    initBareApplication(
      'express',
      { resource: 'https://mcp.example', authorizationServers: ['https://as.example'], verifier } as never,
      providers,
    );

  it.each<[what: string, verifier: unknown, providers: Type[], why: RegExp]>([
    ['needs what nobody provides', Needy, [], /Nest can't resolve dependencies of the Needy/],
    ['is made for each request', PerRequest, [PerRequest], /scoped provider|transient or request/i],
    ['is abstract, and nobody stands for it', TokenVerifier, [], /no method `verify`/],
  ])('does not start if it %s, and says so', async (_what, verifier, providers, why) => {
    const failure = await start(verifier, providers).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(McpAuthConfigError);
    const [problem] = (failure as McpAuthConfigError).problems;
    expect(problem).toMatchObject({
      option: 'verifier',
      seen: `the class ${(verifier as Type).name}`,
      why: expect.stringMatching(why),
    });
  });

  it.each([null, 'TokenVerifier', 7, {}, { verify: true }, []])('does not start if it is %p', async (verifier) => {
    const failure = await start(verifier).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(McpAuthConfigError);
    expect((failure as McpAuthConfigError).problems).toEqual([expect.objectContaining({ option: 'verifier' })]);
  });

  it('has nothing of a verifier that is not a verifier in its error', async () => {
    const failure = await start({ apiKey: 'hunter2-and-then-some' }).catch((error: unknown) => error);
    expectNoTrace('hunter2-and-then-some', { message: (failure as Error).message });
  });
});
