import { afterEach, describe, expect, it } from '@jest/globals';
import { All, Controller, Get, Post } from '@nestjs/common';
import type { McpAuthConfigError } from 'nestjs-mcp-auth';
import { readOptions } from '../../lib/options/read-options.js';
import { start, startProblem, stop } from '../support/metadata-app.js';
import { PLATFORMS } from '../support/platforms.js';

const ISSUER = 'https://login.example.com';
const HOST = 'https://{tenant}.example.com/mcp';
const resolveTenant = (): object => ({});
const GOOD = { resource: HOST, authorizationServers: [ISSUER], resolveTenant };

afterEach(() => stop());

async function problemsOf(options: object): Promise<string[]> {
  const { problems }: McpAuthConfigError = await startProblem(options);
  return problems.map(({ option, why }) => `${option}: ${why}`);
}

describe('options of a resource with variables', () => {
  it.each<[string, string, RegExp]>([
    ['a variable that is a part of a label', 'https://api-{tenant}.example.com/mcp', /one whole label/],
    ['a variable that is a part of a segment', 'https://example.com/org-{tenant}/mcp', /one whole label/],
    ['two variables in a segment', 'https://example.com/{a}{b}/mcp', /one whole label/],
    ['an open brace', 'https://example.com/{tenant/mcp', /one whole label/],
    ['a variable as the port', 'https://example.com:{port}/mcp', /one whole label/],
    ['a name with a hyphen', 'https://example.com/{the-tenant}/mcp', /name of a variable/],
    ['an empty name', 'https://example.com/{}/mcp', /name of a variable/],
    ['a name of an operator', 'https://example.com/{+tenant}/mcp', /name of a variable/],
    ['the same name twice', 'https://{a}.example.com/{a}/mcp', /may stand in it once/],
    ['a variable as the last label', 'https://{tenant}/mcp', /last label of the host/],
    ['a variable in the query', 'https://example.com/mcp?tenant={tenant}', /one whole label|query/],
    ['a variable in the scheme', '{scheme}://example.com/mcp', /absolute URL/],
    ['plain http', 'http://{tenant}.example.com/mcp', /plain http/],
    ['a path that is not in normal form', 'https://example.com/{tenant}/../mcp', /normal form/],
    ['a user name', 'https://user@{tenant}.example.com/mcp', /one whole label|user name/],
  ])('refuse %s', async (_what, resource, why) => {
    expect(await problemsOf({ ...GOOD, resource })).toEqual([expect.stringMatching(why)]);
  });

  it.each<[string, object, string]>([
    ['no function', { resolveTenant: undefined }, 'resolveTenant: the resource has variables'],
    ['something else than a function', { resolveTenant: ['acme'] }, 'resolveTenant: must be a function'],
    ['an audience that all tenants share', { audience: 'api://mcp' }, 'audience: every tenant would accept it'],
    ['one such audience among others', { audience: ['api://{tenant}', 'x'] }, 'audience: every tenant would accept it'],
    [
      'a variable that is not in the resource',
      { audience: 'api://{tenant}/{org}' },
      'audience: the resource has no variable "org"',
    ],
    [
      'no tenant to remember',
      { tenants: { maxEntries: 0 } },
      'tenants.maxEntries: must be a whole number from 1 to 100000',
    ],
    ['a token for calls over stdio', { stdio: { tokenEnv: 'TOKEN' } }, 'stdio: the first resource has variables'],
    ['a misspelt member', { tenants: { ttl: 5 } }, 'tenants.ttl: there is no such option here'],
    [
      'an invalid probe',
      { tenants: { probe: { tenant: 'a.b' } } },
      'tenants.probe.tenant: must be a value of this variable',
    ],
    [
      'an unknown variable of the probe',
      { tenants: { probe: { tenant: 'a', org: 'b' } } },
      'tenants.probe.org: there is no such option here',
    ],
  ])('refuse %s', async (_what, options, problem) => {
    expect(await problemsOf({ ...GOOD, ...options })).toEqual([expect.stringContaining(problem)]);
  });

  it('are refused beside a resource without variables', async () => {
    const options = { ...GOOD, resource: 'https://example.com/mcp', tenants: {} };
    expect(await problemsOf(options)).toEqual([
      'resolveTenant: the resource has no variables, so it has no tenants',
      'tenants: the resource has no variables, so it has no tenants',
    ]);
  });

  it('need no authorization server, since each tenant may have its own', () => {
    const { resources } = readOptions({ ...GOOD, authorizationServers: [] } as never);
    expect(resources[0].authorizationServers).toEqual([]);
  });

  it('accept no token for the template itself', () => {
    const { resources } = readOptions({ ...GOOD, resource: 'https://{Tenant}.EXAMPLE.com/mcp' } as never);
    expect(resources[0]).toMatchObject({ id: 'https://{Tenant}.example.com/mcp', audiences: [] });
  });
});

@Controller('orgs/:tenant/mcp')
class OrgEndpoint {
  @Post()
  post(): object {
    return {};
  }
  @Get()
  get(): object {
    return {};
  }
}

@Controller('elsewhere')
class ElsewhereEndpoint {
  @All()
  all(): object {
    return {};
  }
}

describe.each(PLATFORMS)('the check at the start, on %s', (platform) => {
  const options = { ...GOOD, resource: 'https://mcp.example.com/orgs/{tenant}/mcp' } as never;
  const asked: unknown[] = [];
  const probing = {
    ...GOOD,
    resource: 'https://mcp.example.com/orgs/{tenant}/mcp',
    resolveTenant: (variables: unknown) => void asked.push(variables),
    tenants: { probe: { tenant: 'acme' } },
  } as never;
  const warnings = (log: readonly { level: string; text: string }[]): string[] =>
    log.flatMap(({ level, text }) => (level === 'warn' ? [text] : []));

  it('finds the route of the tenants, and asks nobody about the tenant', async () => {
    const { log } = await start(platform, { options: probing, controllers: [OrgEndpoint] });
    expect(warnings(log)).toEqual([]);
    expect(asked).toEqual([]);
    expect(warnings((await start(platform, { options, controllers: [OrgEndpoint] })).log)).toEqual([]);
  });

  it('says where the route of the given tenant is missing', async () => {
    const { log } = await start(platform, { options: probing, controllers: [ElsewhereEndpoint] });
    expect(warnings(log)).toEqual([expect.stringContaining('No route answers POST /orgs/acme/mcp')]);
  });

  it('asks for a tenant that exists if it got no answer for an invented one', async () => {
    const { log } = await start(platform, { options, controllers: [ElsewhereEndpoint] });
    expect(warnings(log)).toEqual([expect.stringMatching(/start-check.*tenants\.probe/)]);
  });

  it('does not start if an endpoint of the tenants bypasses the guard', async () => {
    const prepare = (app: { use(path: string, handler: unknown): unknown; getHttpAdapter(): unknown }): void => {
      const serve = (_request: unknown, response: { end(body: string): void }): void =>
        response.end('{"jsonrpc":"2.0"}');
      if (platform === 'express') app.use('/orgs/:tenant/mcp', serve);
      else {
        const { getInstance } = app.getHttpAdapter() as { getInstance(): unknown };
        const fastify = getInstance.call(app.getHttpAdapter()) as { post(path: string, handler: () => object): void };
        fastify.post('/orgs/:tenant/mcp', () => ({ jsonrpc: '2.0' }));
      }
    };
    const started = start(platform, { options, controllers: [ElsewhereEndpoint], prepare: prepare as never });
    await expect(started).rejects.toThrow(/POST \/orgs\/(?:start-check|:tenant)\/mcp/);
  });
});
