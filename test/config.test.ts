import 'reflect-metadata';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Controller, Get, type DynamicModule, type INestApplication, type Type } from '@nestjs/common';
import { ConfigModule, ConfigService } from '@nestjs/config';
import { NestFactory } from '@nestjs/core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { AuthInfo, mcpAuthConfig, McpAuthConfigError, McpAuthModule, RequireScopes } from 'nestjs-mcp-auth';
import { parseChallenges, TestIssuer } from 'nestjs-mcp-auth/testing';
import { z } from 'zod';
import { adapterFor, listen, PLATFORMS, type Platform } from './support/platforms.js';

type Environment = Readonly<Record<string, string>>;

const RESOURCE = 'https://mcp.example.com/mcp';
const ISSUER = 'https://login.example.com';
const REQUIRED: Environment = { MCP_AUTH_RESOURCE: RESOURCE, MCP_AUTH_ISSUER: ISSUER };

let before: NodeJS.ProcessEnv;
beforeEach(() => {
  before = { ...process.env };
  for (const name of Object.keys(process.env)) if (name.startsWith('MCP_AUTH_')) delete process.env[name];
});
afterEach(() => {
  for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
  Object.assign(process.env, before);
});

/** The options that follow from the environment; what has no value is left out. */
async function options(environment: Environment): Promise<unknown> {
  Object.assign(process.env, environment);
  return JSON.parse(JSON.stringify(await mcpAuthConfig())) as unknown;
}

/** The error that an environment is refused with; fails where it isn't refused. */
function refusal(environment: Environment): McpAuthConfigError {
  Object.assign(process.env, environment);
  try {
    void mcpAuthConfig();
  } catch (error) {
    if (error instanceof McpAuthConfigError) return error;
    throw error;
  }
  throw new Error('The environment was accepted');
}

const MINIMAL = { resource: RESOURCE, authorizationServers: [ISSUER], scopes: {}, metadata: {} };

const EXAMPLES: Environment = {
  MCP_AUTH_RESOURCE: 'https://mcp.example.com/mcp',
  MCP_AUTH_ISSUER: 'https://login.example.com',
  MCP_AUTH_INTROSPECTION_CLIENT_ID: 'notes-server',
  MCP_AUTH_INTROSPECTION_CLIENT_SECRET: 'the-secret-of-notes-server',
  MCP_AUTH_AUDIENCE: 'https://mcp.example.com/mcp',
  MCP_AUTH_REQUIRED_SCOPES: 'notes:read',
  MCP_AUTH_SCOPES_SUPPORTED: 'notes:read,notes:write',
  MCP_AUTH_RESOURCE_NAME: 'Notes',
  MCP_AUTH_RESOURCE_DOCUMENTATION: 'https://docs.example.com',
  MCP_AUTH_CLOCK_TOLERANCE_SECONDS: '5',
  MCP_AUTH_MAX_TOKEN_LIFETIME_SECONDS: '86400',
  MCP_AUTH_ALLOW_INSECURE_HTTP: 'true',
  MCP_AUTH_EXPOSE_ERROR_DETAILS: 'true',
};

describe('mcpAuthConfig', () => {
  it('needs a resource and an issuer, and nothing else', async () => {
    expect(await options(REQUIRED)).toEqual(MINIMAL);
  });

  it.each<[name: string, value: string, expected: object]>([
    ['MCP_AUTH_RESOURCE', 'https://other.example.com', { resource: 'https://other.example.com' }],
    ['MCP_AUTH_ISSUER', 'https://a.example.com/', { authorizationServers: ['https://a.example.com/'] }],
    [
      'MCP_AUTH_ISSUER',
      'https://a.example.com,https://b.example.com/tenant',
      { authorizationServers: ['https://a.example.com', 'https://b.example.com/tenant'] },
    ],
    ['MCP_AUTH_AUDIENCE', 'api://notes', { audience: ['api://notes'] }],
    ['MCP_AUTH_AUDIENCE', 'api://notes, notes', { audience: ['api://notes', 'notes'] }],
    ['MCP_AUTH_REQUIRED_SCOPES', 'notes:read', { scopes: { required: ['notes:read'] } }],
    ['MCP_AUTH_REQUIRED_SCOPES', ' a ,b,  c ', { scopes: { required: ['a', 'b', 'c'] } }],
    ['MCP_AUTH_SCOPES_SUPPORTED', 'a,b', { scopes: { supported: ['a', 'b'] } }],
    ['MCP_AUTH_RESOURCE_NAME', 'Notes, and more', { metadata: { resourceName: 'Notes, and more' } }],
    [
      'MCP_AUTH_RESOURCE_DOCUMENTATION',
      'https://docs.example.com/a',
      { metadata: { resourceDocumentation: 'https://docs.example.com/a' } },
    ],
    ['MCP_AUTH_CLOCK_TOLERANCE_SECONDS', '0', { clockToleranceSeconds: 0 }],
    ['MCP_AUTH_CLOCK_TOLERANCE_SECONDS', ' 30 ', { clockToleranceSeconds: 30 }],
    ['MCP_AUTH_MAX_TOKEN_LIFETIME_SECONDS', '3600', { maxTokenLifetimeSeconds: 3600 }],
    ['MCP_AUTH_ALLOW_INSECURE_HTTP', 'true', { allowInsecureHttp: true }],
    ['MCP_AUTH_ALLOW_INSECURE_HTTP', 'false', { allowInsecureHttp: false }],
    ['MCP_AUTH_EXPOSE_ERROR_DETAILS', 'true', { exposeErrorDetails: true }],
    ['MCP_AUTH_EXPOSE_ERROR_DETAILS', 'false', { exposeErrorDetails: false }],
  ])('takes %s=%s', async (name, value, expected) => {
    expect(await options({ ...REQUIRED, [name]: value })).toEqual({ ...MINIMAL, ...expected });
  });

  it.each(Object.keys(EXAMPLES).filter((name) => !(name in REQUIRED)))(
    'takes an empty %s for an absent one',
    async (name) => {
      expect(await options({ ...REQUIRED, [name]: '' })).toEqual(MINIMAL);
      expect(await options({ ...REQUIRED, [name]: '  ' })).toEqual(MINIMAL);
    },
  );

  it('takes the example of every variable', async () => {
    await expect(options(EXAMPLES)).resolves.toMatchObject({ resource: RESOURCE, exposeErrorDetails: true });
  });

  it.each([
    ['absent', {}],
    ['empty', { MCP_AUTH_RESOURCE: '', MCP_AUTH_ISSUER: ' ' }],
  ])('names every required variable that is %s, with an example', (_, environment) => {
    expect(refusal(environment as Environment).problems).toEqual([
      {
        option: 'MCP_AUTH_RESOURCE',
        seen: 'nothing',
        why: expect.stringContaining('required'),
        write: 'Example: MCP_AUTH_RESOURCE=https://mcp.example.com/mcp',
      },
      {
        option: 'MCP_AUTH_ISSUER',
        seen: 'nothing',
        why: expect.stringContaining('at least one'),
        write: 'Example: MCP_AUTH_ISSUER=https://login.example.com',
      },
    ]);
  });

  it.each<[name: string, value: string, seen: string, why: RegExp]>([
    ['MCP_AUTH_RESOURCE', 'mcp.example.com', '"mcp.example.com"', /must be an absolute URL/],
    ['MCP_AUTH_RESOURCE', 'https://mcp.example.com/mcp#x', '"https://mcp.example.com/mcp#x"', /fragment/],
    ['MCP_AUTH_RESOURCE', 'http://mcp.example.com/mcp', '"http://mcp.example.com/mcp"', /plain http/],
    [
      'MCP_AUTH_RESOURCE',
      'https://a.example.com,https://b.example.com',
      '"https://a.example.com,https://b.example.com"',
      /./,
    ],
    ['MCP_AUTH_ISSUER', 'login.example.com', '"login.example.com"', /must be an absolute URL/],
    ['MCP_AUTH_ISSUER', 'https://a.example.com,b', '"b"', /must be an absolute URL/],
    ['MCP_AUTH_ISSUER', 'https://a.example.com,', '""', /must be an absolute URL/],
    ['MCP_AUTH_ISSUER', 'https://a.example.com,https://a.example.com', '"https://a.example.com"', /twice/],
    ['MCP_AUTH_ISSUER', 'http://login.example.com', '"http://login.example.com"', /plain http/],
    ['MCP_AUTH_AUDIENCE', 'a,,b', '["a","","b"]', /non-empty/],
    ['MCP_AUTH_REQUIRED_SCOPES', 'a b', '"a b"', /visible ASCII/],
    ['MCP_AUTH_REQUIRED_SCOPES', 'a,', '["a",""]', /non-empty/],
    ['MCP_AUTH_REQUIRED_SCOPES', 'offline_access', '"offline_access"', /authorization server alone/],
    ['MCP_AUTH_SCOPES_SUPPORTED', 'a"b', '"a\\"b"', /visible ASCII/],
    ['MCP_AUTH_RESOURCE_DOCUMENTATION', 'docs', '"docs"', /must be an absolute URL/],
    ['MCP_AUTH_CLOCK_TOLERANCE_SECONDS', '5s', '"5s"', /whole number/],
    ['MCP_AUTH_CLOCK_TOLERANCE_SECONDS', '-5', '"-5"', /whole number/],
    ['MCP_AUTH_CLOCK_TOLERANCE_SECONDS', '0x10', '"0x10"', /whole number/],
    ['MCP_AUTH_CLOCK_TOLERANCE_SECONDS', '1e2', '"1e2"', /whole number/],
    ['MCP_AUTH_CLOCK_TOLERANCE_SECONDS', '301', '301', /from 0 to 300/],
    ['MCP_AUTH_MAX_TOKEN_LIFETIME_SECONDS', '0', '0', /from 1/],
    ['MCP_AUTH_MAX_TOKEN_LIFETIME_SECONDS', '1.5', '"1.5"', /whole number/],
    ['MCP_AUTH_ALLOW_INSECURE_HTTP', '1', '"1"', /must be true or false/],
    ['MCP_AUTH_ALLOW_INSECURE_HTTP', 'TRUE', '"TRUE"', /must be true or false/],
    ['MCP_AUTH_EXPOSE_ERROR_DETAILS', 'yes', '"yes"', /must be true or false/],
  ])('refuses %s=%s, naming the variable, what was seen, and an example', (name, value, seen, why) => {
    const error = refusal({ ...REQUIRED, [name]: value });
    const write = `Example: ${name}=${EXAMPLES[name]}`;
    expect(error.problems).toEqual([{ option: name, seen, why: expect.stringMatching(why), write }]);
    expect(error.message).toContain(`${name}: saw ${seen}; `);
    expect(error.message).toContain(write);
  });

  it('lists every problem at once', () => {
    const error = refusal({
      MCP_AUTH_RESSOURCE: RESOURCE,
      MCP_AUTH_ISSUER: 'a,b',
      MCP_AUTH_AUDIENCE: ',',
      MCP_AUTH_REQUIRED_SCOPES: 'a b',
      MCP_AUTH_CLOCK_TOLERANCE_SECONDS: 'soon',
      MCP_AUTH_ALLOW_INSECURE_HTTP: 'on',
    });
    expect(error.problems.map(({ option, seen }) => `${option} ${seen}`).toSorted()).toEqual([
      'MCP_AUTH_ALLOW_INSECURE_HTTP "on"',
      'MCP_AUTH_AUDIENCE ["",""]',
      'MCP_AUTH_CLOCK_TOLERANCE_SECONDS "soon"',
      'MCP_AUTH_ISSUER "a"',
      'MCP_AUTH_ISSUER "b"',
      'MCP_AUTH_REQUIRED_SCOPES "a b"',
      'MCP_AUTH_RESOURCE nothing',
      'MCP_AUTH_RESSOURCE a value',
    ]);
  });

  it.each(['MCP_AUTH_ISSUERS', 'MCP_AUTH_REQUIRE_SCOPES', 'MCP_AUTH_', 'MCP_AUTH_resource'])(
    'refuses the unknown variable %s, which may be a misspelt one that protects',
    (name) => {
      const { problems } = refusal({ ...REQUIRED, [name]: 'x' });
      expect(problems).toEqual([
        {
          option: name,
          seen: 'a value',
          why: 'there is no such variable',
          write: `Known are ${Object.keys(EXAMPLES).join(', ')}`,
        },
      ]);
    },
  );

  describe('introspection', () => {
    const ID = 'MCP_AUTH_INTROSPECTION_CLIENT_ID';
    const SECRET = 'MCP_AUTH_INTROSPECTION_CLIENT_SECRET';

    it('is set up for the single issuer', async () => {
      const auth = { method: 'client_secret_basic', clientSecret: 's, with a comma' };
      expect(await options({ ...REQUIRED, [ID]: 'notes-server', [SECRET]: 's, with a comma' })).toEqual({
        ...MINIMAL,
        authorizationServers: [{ issuer: ISSUER, introspection: { clientId: 'notes-server', auth } }],
      });
    });

    it.each([
      [ID, SECRET],
      [SECRET, ID],
    ])('needs both variables: names %s where only %s is set, and shows no secret', (missing, given) => {
      const error = refusal({ ...REQUIRED, [given]: 'hunter2-and-then-some' });
      expect(error.problems).toEqual([
        {
          option: missing,
          seen: 'nothing',
          why: expect.any(String),
          write: `Example: ${missing}=${EXAMPLES[missing]}`,
        },
      ]);
      expect(error.message).not.toContain('hunter2');
    });

    it('is refused with several issuers, none of which must get the secret of another', () => {
      const error = refusal({
        ...REQUIRED,
        MCP_AUTH_ISSUER: `${ISSUER},https://other.example.com`,
        [ID]: 'notes',
        [SECRET]: 'hunter2',
      });
      expect(error.problems).toEqual(
        [ID, SECRET].map((option) => expect.objectContaining({ option, seen: 'a value' })),
      );
      expect(error.message).not.toContain('hunter2');
    });

    it('still names the variable of an issuer that cannot be used', () => {
      const { problems } = refusal({ ...REQUIRED, MCP_AUTH_ISSUER: 'login', [ID]: 'notes', [SECRET]: 'hunter2' });
      expect(problems).toEqual([expect.objectContaining({ option: 'MCP_AUTH_ISSUER', seen: '"login"' })]);
    });
  });

  it('lets variables of others be', async () => {
    expect(await options({ ...REQUIRED, MCP_PORT: '1', MCPAUTH_ISSUER: 'x', NEXT_MCP_AUTH_ISSUER: 'x' })).toEqual(
      MINIMAL,
    );
  });

  it('shows no secret: neither what an unknown variable holds nor a password in a URL', () => {
    const secret = 'hunter2-and-then-some';
    const error = refusal({
      MCP_AUTH_CLIENT_SECRET: secret,
      MCP_AUTH_RESOURCE: `https://user:${secret}@mcp.example.com/mcp`,
      MCP_AUTH_ISSUER: `https://user:${secret}@login.example.com,https://user:${secret}@`,
    });
    expect(error.problems).toHaveLength(4);
    expect(`${error.message} ${JSON.stringify(error)} ${error.stack}`).not.toContain(secret);
  });
});

interface StartedApp {
  readonly app: INestApplication;
  readonly origin: string;
}

describe.each(PLATFORMS)('an application that is configured from its environment, on %s', (platform) => {
  let issuer: TestIssuer;
  let started: INestApplication | undefined;
  beforeAll(async () => {
    issuer = await TestIssuer.start({ alg: 'ES256', audience: RESOURCE });
  });
  afterEach(async () => {
    await started?.close();
    started = undefined;
  });
  afterAll(() => issuer.close());

  @Controller('notes')
  class NotesController {
    @Get()
    @RequireScopes('notes:write')
    list(@AuthInfo('subject') subject: string): object {
      return { subject };
    }
  }

  const environment = (more: Environment = {}): void =>
    void Object.assign(process.env, { MCP_AUTH_RESOURCE: RESOURCE, MCP_AUTH_ISSUER: issuer.issuer, ...more });
  const start = (...imports: (DynamicModule | Promise<DynamicModule>)[]): Promise<StartedApp> =>
    startApp(platform, [...imports, McpAuthModule.forRootAsync(mcpAuthConfig.asProvider())], [NotesController]).then(
      (running) => {
        started = running.app;
        return running;
      },
    );
  const metadata = async ({ origin }: StartedApp): Promise<unknown> =>
    (await fetch(`${origin}/.well-known/oauth-protected-resource/mcp`)).json();
  const get = async ({ origin }: StartedApp, claims: Readonly<Record<string, unknown>>): Promise<Response> =>
    fetch(`${origin}/notes`, { headers: { authorization: `Bearer ${await issuer.mint(claims)}` } });

  it('publishes and enforces what the variables say', async () => {
    environment({
      MCP_AUTH_AUDIENCE: 'api://notes,api://other',
      MCP_AUTH_REQUIRED_SCOPES: 'notes:read',
      MCP_AUTH_SCOPES_SUPPORTED: 'notes:read,profile',
      MCP_AUTH_RESOURCE_NAME: 'Notes',
      MCP_AUTH_RESOURCE_DOCUMENTATION: 'https://docs.example.com',
      MCP_AUTH_CLOCK_TOLERANCE_SECONDS: '300',
      MCP_AUTH_MAX_TOKEN_LIFETIME_SECONDS: '600',
      MCP_AUTH_EXPOSE_ERROR_DETAILS: 'true',
    });
    const server = await start(ConfigModule.forRoot({ isGlobal: true, ignoreEnvFile: true }));
    expect(await metadata(server)).toEqual({
      resource: RESOURCE,
      authorization_servers: [issuer.issuer],
      scopes_supported: ['notes:read', 'profile'],
      bearer_methods_supported: ['header'],
      resource_name: 'Notes',
      resource_documentation: 'https://docs.example.com',
    });
    const scope = 'notes:read notes:write';
    const now = Math.floor(Date.now() / 1000);
    const served = await get(server, { aud: 'api://other', scope, exp: now - 200 });
    expect([served.status, await served.json()]).toEqual([200, { subject: 'alice' }]);
    expect((await get(server, { scope })).status).toBe(401);
    const longLived = await get(server, { aud: 'api://notes', scope, exp: now + 1200 });
    expect([longLived.status, await longLived.text()]).toEqual([401, expect.stringContaining('lives longer')]);
    const refused = await get(server, { aud: 'api://notes', scope: 'notes:write' });
    expect(refused.status).toBe(403);
    expect(parseChallenges(refused.headers.get('www-authenticate') as string)[0]?.params).toMatchObject({
      scope: 'notes:read notes:write',
      resource_metadata: 'https://mcp.example.com/.well-known/oauth-protected-resource/mcp',
    });
  });

  it('needs no ConfigModule of the application', async () => {
    environment();
    const server = await start();
    expect(await metadata(server)).toMatchObject({ resource: RESOURCE, authorization_servers: [issuer.issuer] });
    expect((await get(server, { scope: 'notes:write' })).status).toBe(200);
  });

  it('reads the .env file that ConfigModule loads', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'mcp-auth-'));
    const envFilePath = join(directory, '.env');
    await writeFile(
      envFilePath,
      `MCP_AUTH_RESOURCE=${RESOURCE}\nMCP_AUTH_ISSUER=${issuer.issuer}\nMCP_AUTH_RESOURCE_NAME="From a file"\n`,
    );
    const server = await start(ConfigModule.forRoot({ isGlobal: true, envFilePath }));
    await rm(directory, { recursive: true });
    expect(await metadata(server)).toMatchObject({ resource_name: 'From a file' });
  });

  it('gets on with the validation of ConfigModule, defaults and conversions included', async () => {
    environment();
    const validationSchema = z.object({
      MCP_AUTH_ISSUER: z.url(),
      MCP_AUTH_RESOURCE_NAME: z.string().default('By default'),
      MCP_AUTH_CLOCK_TOLERANCE_SECONDS: z.coerce.number().default(300),
      MCP_AUTH_EXPOSE_ERROR_DETAILS: z.stringbool().default(true),
    });
    const server = await start(ConfigModule.forRoot({ isGlobal: true, ignoreEnvFile: true, validationSchema }));
    expect(await metadata(server)).toMatchObject({ resource_name: 'By default' });
    const late = { scope: 'notes:write', exp: Math.floor(Date.now() / 1000) - 200 };
    expect((await get(server, late)).status).toBe(200);
    expect(await (await get(server, { aud: 'other' })).text()).toContain('Reason: ');
  });

  it('leaves it to the validation of ConfigModule to refuse first', async () => {
    environment();
    const validate = (): never => {
      throw new Error('Not on my watch');
    };
    // Nest evaluates the module where it is imported.
    await expect(
      (async () => start(ConfigModule.forRoot({ isGlobal: true, ignoreEnvFile: true, validate })))(),
    ).rejects.toThrow('Not on my watch');
  });

  it('offers the options as a namespace of ConfigService', async () => {
    environment({ MCP_AUTH_REQUIRED_SCOPES: 'a' });
    const { app } = await start(ConfigModule.forRoot({ isGlobal: true, ignoreEnvFile: true, load: [mcpAuthConfig] }));
    const config = app.get(ConfigService);
    expect(config.get('mcpAuth.resource')).toBe(RESOURCE);
    expect(config.get('mcpAuth.scopes.required')).toEqual(['a']);
    expect(mcpAuthConfig.KEY).toBe('CONFIGURATION(mcpAuth)');
  });

  it('takes no notice of variables that change while it runs', async () => {
    environment();
    const server = await start();
    environment({
      MCP_AUTH_RESOURCE: 'https://evil.test',
      MCP_AUTH_AUDIENCE: 'https://evil.test',
      MCP_AUTH_REQUIRED_SCOPES: 'none',
    });
    expect(await metadata(server)).toEqual({
      resource: RESOURCE,
      authorization_servers: [issuer.issuer],
      scopes_supported: ['notes:write'],
      bearer_methods_supported: ['header'],
    });
    expect((await get(server, { scope: 'notes:write' })).status).toBe(200);
    expect((await get(server, { scope: 'notes:write', aud: 'https://evil.test' })).status).toBe(401);
  });

  it('does not start without its variables, and says which', async () => {
    const outcome: unknown = await start(ConfigModule.forRoot({ isGlobal: true, ignoreEnvFile: true })).catch(
      (error: unknown) => error,
    );
    expect(outcome).toBeInstanceOf(McpAuthConfigError);
    expect((outcome as McpAuthConfigError).problems.map(({ option }) => option)).toEqual([
      'MCP_AUTH_RESOURCE',
      'MCP_AUTH_ISSUER',
    ]);
    expect(started).toBeUndefined();
  });

  it('does not start with a misspelt variable', async () => {
    environment({ MCP_AUTH_REQUIRED_SCOPE: 'notes:read' });
    const outcome: unknown = await start().catch((error: unknown) => error);
    expect(outcome).toMatchObject({ name: 'McpAuthConfigError', problems: [{ option: 'MCP_AUTH_REQUIRED_SCOPE' }] });
  });
});

async function startApp(
  platform: Platform,
  imports: (DynamicModule | Promise<DynamicModule>)[],
  controllers: Type[],
): Promise<StartedApp> {
  class AppModule {}
  const app = await NestFactory.create({ module: AppModule, imports, controllers }, adapterFor(platform), {
    abortOnError: false,
    logger: false,
  });
  return { app, origin: await listen(app) };
}
