import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import { Inject, Injectable, Module, UseGuards, type Type } from '@nestjs/common';
import {
  Args,
  Field,
  GraphQLModule,
  Mutation,
  ObjectType,
  Parent,
  Query,
  ResolveField,
  Resolver,
} from '@nestjs/graphql';
import type { MercuriusDriverConfig } from '@nestjs/mercurius';
import {
  AuthInfo,
  Authorize,
  McpAuthError,
  McpAuthGuard,
  McpAuthService,
  Public,
  RequireScopes,
  type McpAuthInfo,
  type PolicyContext,
} from 'nestjs-mcp-auth';
import { parseChallenges, TestIssuer } from 'nestjs-mcp-auth/testing';
import { resetRecorded } from '../support/expectations.js';
import { MercuriusDriver } from '../support/mercurius.js';
import { startNotesServer, type NotesServer, type NotesServerSettings } from '../support/notes-server.js';
import type { Platform } from '../support/platforms.js';
import { bearer } from '../support/rpc.js';

const ran: string[] = [];

function note(name: string): string {
  ran.push(name);
  return 'ran';
}

@Injectable()
class Owner {
  constructor(@Inject(McpAuthService) private readonly service: McpAuthService) {}

  async subject(): Promise<string | undefined> {
    await Promise.resolve();
    return this.service.authInfo?.subject;
  }
}

@ObjectType()
class Note {
  @Field(() => String)
  text!: string;
}

@Resolver(() => Note)
class NotesResolver {
  constructor(@Inject(Owner) private readonly owner: Owner) {}

  @Query(() => String)
  hello(): string {
    return note('hello');
  }

  @Query(() => String)
  @Public()
  open(): string {
    return note('open');
  }

  @Query(() => String)
  failing(): string {
    throw new Error('The disk is full');
  }

  @Query(() => String)
  late(): string {
    throw McpAuthError.insufficientScope('late');
  }

  @Query(() => [Note])
  notes(): Note[] {
    return [{ text: note('notes') }];
  }

  @ResolveField(() => String)
  secret(@Parent() parent: Note): string {
    return note(`secret of ${parent.text}`);
  }

  @ResolveField(() => String)
  @RequireScopes('secrets')
  guardedSecret(): string {
    return note('guarded-secret');
  }

  @Mutation(() => String)
  add(@Args('text') text: string): string {
    return note(`add ${text}`);
  }

  @Mutation(() => String)
  @RequireScopes('a')
  guardedAdd(@Args('text') text: string): string {
    return note(`guarded-add ${text}`);
  }

  @Query(() => String)
  @RequireScopes('a', 'b')
  scoped(@AuthInfo('subject') subject: string): string {
    note('scoped');
    return subject;
  }

  @Query(() => String)
  @UseGuards(McpAuthGuard)
  guarded(): string {
    return note('guarded');
  }

  @Query(() => String)
  me(@AuthInfo() auth: McpAuthInfo): string {
    note('me');
    return auth.subject as string;
  }

  @Query(() => String, { nullable: true })
  @Public()
  maybe(@AuthInfo() auth?: McpAuthInfo): string | undefined {
    note('maybe');
    return auth?.subject;
  }

  @Query(() => String)
  @Authorize(({ args }: PolicyContext) => [`of:${(args as { name: string }).name}`])
  asked(@Args('name') name: string): string {
    return note(`asked ${name}`);
  }

  @Query(() => String)
  @Authorize(() => false)
  forbidden(): string {
    return note('forbidden');
  }

  @Query(() => String)
  @RequireScopes('a')
  async below(): Promise<string | undefined> {
    return this.owner.subject();
  }
}

type Enhancers = { fieldResolverEnhancers?: ['guards'] };

function apollo(settings: object): Type {
  @Module({
    imports: [
      GraphQLModule.forRoot<ApolloDriverConfig>({
        driver: ApolloDriver,
        autoSchemaFile: true,
        csrfPrevention: false,
        ...settings,
      }),
    ],
  })
  class ApolloModule {}
  return ApolloModule;
}

function mercurius(settings: object): Type {
  @Module({
    imports: [
      GraphQLModule.forRoot<MercuriusDriverConfig>({ driver: MercuriusDriver, autoSchemaFile: true, ...settings }),
    ],
  })
  class MercuriusModule {}
  return MercuriusModule;
}

const DRIVERS: [name: string, platform: Platform, module: (settings: object) => Type][] = [
  ['Apollo on Express', 'express', apollo],
  ['Mercurius on Fastify', 'fastify', mercurius],
];

const GUARDED_FIELDS: Enhancers = { fieldResolverEnhancers: ['guards'] };

interface GraphqlAnswer {
  readonly status: number;
  readonly challenge: string | null;
  readonly data?: Record<string, unknown> | null;
  readonly errors?: { message: string; extensions: { code: string; error: string; challenge?: string } }[];
}

async function ask(server: NotesServer, query: string, token?: string): Promise<GraphqlAnswer> {
  const headers = { 'Content-Type': 'application/json', ...bearer(token) };
  const response = await fetch(`${server.origin}/graphql`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ query }),
  });
  const body = (await response.json()) as Omit<GraphqlAnswer, 'status' | 'challenge'>;
  return { status: response.status, challenge: response.headers.get('www-authenticate'), ...body };
}

describe('GraphQL resolvers whose context has no request', () => {
  it('run where nothing is declared, and are otherwise refused in a line that says what to do', async () => {
    const hiding = apollo({ ...GUARDED_FIELDS, context: () => ({ req: {} }) });
    const server = await startNotesServer('express', {
      issuer: { alg: 'ES256' },
      imports: [hiding],
      providers: [NotesResolver, Owner],
    });
    ran.length = 0;
    expect(await ask(server, '{ hello }')).toMatchObject({ data: { hello: 'ran' } });
    expect(await ask(server, '{ scoped }', await server.mint({ scope: 'a b' }))).toMatchObject({
      errors: [{ extensions: { code: 'UNAUTHENTICATED' } }],
    });
    expect(ran).toEqual(['hello']);
    const line = server.log.find((one) => one.includes('Refused 401'));
    expect(line).toContain('NotesResolver.scoped');
    expect(line).toContain('a GraphQL resolver was called without the HTTP request in its context');
    expect(line).toContain('context: ({ req }) => ({ req })');
    await server.close();
  });
});

describe.each(DRIVERS)('GraphQL resolvers with %s', (_name, platform, module) => {
  /** Nest has Apollo answer 200 whatever a resolver says. */
  const status = (refusal: number): number => (module === apollo ? 200 : refusal);
  let server: NotesServer;

  function start(settings: NotesServerSettings = {}, graphql: object = GUARDED_FIELDS): Promise<NotesServer> {
    return startNotesServer(platform, {
      issuer: { alg: 'ES256' },
      imports: [module(graphql)],
      providers: [NotesResolver, Owner],
      ...settings,
    });
  }

  beforeAll(async () => {
    server = await start();
  });
  afterAll(() => server.close());
  beforeEach(() => {
    resetRecorded(server);
    ran.length = 0;
  });

  it('LIB-26: run as before where nothing is declared: queries, mutations and fields, with any token and without', async () => {
    for (const token of [undefined, await server.mint(), 'not-a-token']) {
      expect(await ask(server, '{ hello notes { text secret } }', token)).toMatchObject({
        status: 200,
        data: { hello: 'ran', notes: [{ text: 'ran', secret: 'ran' }] },
      });
      expect(await ask(server, 'mutation { add(text: "x") }', token)).toMatchObject({ data: { add: 'ran' } });
    }
  });

  it('LIB-26: fail as before where nothing is declared', async () => {
    expect(await ask(server, '{ failing }')).toMatchObject({ errors: [{ message: 'The disk is full' }] });
  });

  it('run without a token where they are public, and are told of no caller', async () => {
    const token = await server.mint();
    expect(await ask(server, '{ open maybe }')).toMatchObject({ data: { open: 'ran', maybe: null } });
    expect(await ask(server, '{ open maybe }', token)).toMatchObject({ data: { open: 'ran', maybe: null } });
  });

  it.each([
    '{ scoped }',
    '{ guarded }',
    '{ me }',
    'mutation { guardedAdd(text: "x") }',
    '{ asked(name: "x") }',
    '{ forbidden }',
    '{ below }',
  ])('are refused without a token where they are protected: %s', async (query) => {
    const answer = await ask(server, query);
    expect(answer).toMatchObject({
      status: status(401),
      errors: [{ message: 'Authorization is required.', extensions: { code: 'UNAUTHENTICATED' } }],
    });
    expect(answer.errors?.[0]?.extensions.challenge).toContain('resource_metadata=');
    if (module === apollo) expect(answer.challenge).toBe(answer.errors?.[0]?.extensions.challenge);
    expect(ran).toEqual([]);
    expect(server.log.some((line) => line.includes('the request carries no access token'))).toBe(true);
  });

  it('are refused with a token that is not valid, and nothing of it is written to the log', async () => {
    const token = await server.mint({ exp: 1 });
    expect(await ask(server, '{ scoped }', token)).toMatchObject({
      status: status(401),
      errors: [{ extensions: { code: 'UNAUTHENTICATED', error: 'invalid_token' } }],
    });
    expect(ran).toEqual([]);
    expect(server.log.join('\n')).not.toContain(token);
  });

  it('are refused without a scope, in an error that names all of them, and run with them', async () => {
    const answer = await ask(server, '{ scoped }', await server.mint({ scope: 'a' }));
    expect(answer).toMatchObject({
      status: status(403),
      errors: [{ extensions: { code: 'FORBIDDEN', error: 'insufficient_scope' } }],
    });
    expect(parseChallenges(answer.errors?.[0]?.extensions.challenge ?? '')).toMatchObject([
      { params: { error: 'insufficient_scope', scope: 'a b' } },
    ]);
    expect(ran).toEqual([]);
    expect(await ask(server, '{ scoped }', await server.mint({ scope: 'a b' }))).toMatchObject({
      status: 200,
      data: { scoped: 'alice' },
    });
  });

  it('are refused one by one: the rest of the operation is answered', async () => {
    expect(await ask(server, '{ hello notes { text guardedSecret } }')).toMatchObject({
      errors: [{ extensions: { code: 'UNAUTHENTICATED' } }],
    });
    expect(ran).not.toContain('guarded-secret');
    const token = await server.mint({ scope: 'secrets' });
    expect(await ask(server, '{ notes { guardedSecret } }', token)).toMatchObject({
      data: { notes: [{ guardedSecret: 'ran' }] },
    });
  });

  it('know their caller by parameter, and below by the service', async () => {
    const [alice, bob] = await Promise.all(['alice', 'bob'].map((sub) => server.mint({ sub, scope: 'a b' })));
    const answers = await Promise.all([alice, bob, alice].map((token) => ask(server, '{ me below scoped }', token)));
    expect(answers.map(({ data }) => data)).toEqual(
      ['alice', 'bob', 'alice'].map((sub) => ({ me: sub, below: sub, scoped: sub })),
    );
  });

  it('have a policy that decides from their arguments', async () => {
    const token = await server.mint({ scope: 'of:x' });
    expect(await ask(server, '{ asked(name: "x") }', token)).toMatchObject({ data: { asked: 'ran' } });
    expect(await ask(server, '{ asked(name: "y") }', token)).toMatchObject({
      status: status(403),
      errors: [{ extensions: { code: 'FORBIDDEN' } }],
    });
    expect(await ask(server, '{ forbidden }', token)).toMatchObject({
      status: status(403),
      errors: [{ extensions: { error: 'access_denied' } }],
    });
    expect(ran).toEqual(['asked x']);
  });

  it('give a refusal of their own the same form', async () => {
    expect(await ask(server, '{ late }')).toMatchObject({
      status: status(403),
      errors: [{ extensions: { error: 'insufficient_scope' } }],
    });
  });

  it('are protected by decorators alone, too', async () => {
    const other = await start({ options: { globalGuard: 'mcp' } });
    expect(await ask(other, '{ hello }')).toMatchObject({ data: { hello: 'ran' } });
    expect(await ask(other, '{ scoped }')).toMatchObject({ status: status(401) });
    expect(await ask(other, '{ guarded }')).toMatchObject({ status: status(401) });
    expect(await ask(other, '{ scoped }', await other.mint({ scope: 'a b' }))).toMatchObject({
      data: { scoped: 'alice' },
    });
    await other.close();
  });

  it('LIB-18: take no object for the request that a context was made with, but that of the server', async () => {
    const hiding = { ...GUARDED_FIELDS, context: () => ({ req: { headers: { authorization: 'Bearer x' } } }) };
    const other = await start({}, hiding);
    const answer = await ask(other, '{ scoped }', await other.mint({ scope: 'a b' }));
    // Mercurius adds the reply to every context, which has the request.
    if (module === mercurius) expect(answer.data).toEqual({ scoped: 'alice' });
    else expect(answer.errors).toMatchObject([{ extensions: { code: 'UNAUTHENTICATED' } }]);
    await other.close();
  });

  it('LIB-20: stop the application from starting where Nest would run no guard at a protected field', async () => {
    const sharedIssuer = await TestIssuer.start({ alg: 'ES256' });
    await expect(start({ sharedIssuer }, {})).rejects.toThrow(
      /NotesResolver\.guardedSecret[^]*fieldResolverEnhancers: \['guards'\]/,
    );
    await sharedIssuer.close();
  });
});
