import { describe, expect, it } from '@jest/globals';
import { RequestedResource } from '../../lib/authorization/requested-resource.js';
import { ResourceRoutes } from '../../lib/authorization/resource-routes.js';
import { McpAuthError } from '../../lib/core/error.js';
import { readResourceIdentifier } from '../../lib/core/resource.js';
import { expandTemplate, isTemplate, readResourceTemplate } from '../../lib/core/resource-template.js';
import type { ResolvedOptions } from '../../lib/options/options.js';
import type { ResolvedResource } from '../../lib/options/resource-options.js';
import type { HttpRequest } from '../../lib/request/http-message.js';
import type { ResourceServer, ResourceServers } from '../../lib/resource-servers/resource-servers.js';

const METADATA = '/.well-known/oauth-protected-resource';

/** A resource server; with variables, it has a tenant for all values except `nobody`. */
function serverOf(id: string, value: string): ResourceServer {
  if (!isTemplate(value)) return { resource: { id, identifier: readResourceIdentifier(value) } } as ResourceServer;
  const template = readResourceTemplate(value);
  if ('problem' in template) throw new Error(template.problem);
  const written = Object.fromEntries(template.names.map((name) => [name, `{${name}}`]));
  const find = async (variables: Readonly<Record<string, string>>): Promise<ResourceServer | undefined> =>
    Object.values(variables).includes('nobody')
      ? undefined
      : ({ resource: { id: `${id} of ${JSON.stringify(variables)}` } } as ResourceServer);
  const resource = { id, identifier: expandTemplate(template, written), template: { template } };
  return { resource, tenants: { find } } as unknown as ResourceServer;
}

function requestTo(host: string | readonly string[], path: string): HttpRequest {
  const hosts = [host].flat();
  const rawHeaders = hosts.flatMap((one) => ['Host', one]);
  return { method: 'GET', url: path, headers: { host: hosts[0] }, rawHeaders } as HttpRequest;
}

interface Finder {
  /** The id of what is found; the reason and what was seen if it is refused. */
  ask(how: 'documented' | 'below' | 'serverFor', host: string | readonly string[], path: string): Promise<unknown>;
  readonly requested: RequestedResource;
}

/** Finds resources whose ids are the names of these identifiers. */
function among(identifiers: Readonly<Record<string, string>>, rootMetadata = true): Finder {
  const all = Object.entries(identifiers).map(([id, value]) => serverOf(id, value));
  const servers = { all, first: all[0], get: (id: string) => all.find(({ resource }) => resource.id === id) };
  const requested = new RequestedResource(servers as unknown as ResourceServers, new ResourceRoutes(), {
    resources: all.map(({ resource }) => resource),
    rootMetadata,
  } as unknown as ResolvedOptions);
  const ask: Finder['ask'] = async (how, host, path) => {
    const request = requestTo(host, path);
    try {
      if (how === 'serverFor') return (await requested.serverFor(request, undefined)).resource.id;
      const found = await (how === 'below' ? requested.below(request, '/logout') : requested.documented(request));
      return (found as ResolvedResource | undefined)?.id ?? found;
    } catch (error) {
      if (!(error instanceof McpAuthError)) throw error;
      return `${error.code}, ${error.reason}`;
    }
  };
  return { ask, requested };
}

const ONE = { one: 'https://a.example.com/mcp' };
const ROOT_ONLY = { root: 'https://a.example.com' };
const TWO = { a: 'https://a.example.com/mcp', b: 'https://b.example.com:8443/mcp' };
const PLAIN_HTTP = { a: 'http://127.0.0.1/mcp', b: 'http://localhost:3000/mcp' };
const SEVERAL_AT_B = { ...TWO, c: 'https://b.example.com:8443/other', d: 'https://b.example.com:8443/last' };
const APART = { a: 'https://a.example.com/one', b: 'https://a.example.com/two/' };
const HOST = { t: 'https://{tenant}.example.com/mcp' };
const HOST_OF_ROOT = { t: 'https://{tenant}.example.com' };
const HOST_OF_SLASH = { t: 'https://{tenant}.example.com/' };
const PATH = { t: 'https://a.example.com/orgs/{tenant}/mcp' };
const PATH_AND_ONE = { ...PATH, one: 'https://a.example.com/orgs/acme/mcp', other: 'https://a.example.com/other' };
const BOTH = { t: 'https://{region}.example.com/{org}/mcp' };
const HOSTS_AND_ONE = { ...HOST, a: 'https://a.example.com/mcp' };
const TWO_PATHS = { s: 'https://a.example.com/{org}/mcp', t: 'https://b.example.com/{tenant}/mcp' };

const UNDECIDED = 'resource_not_found, resource_undecided';
const FOREIGN = 'origin_rejected, origin_not_allowed';
const MALFORMED = 'resource_not_found, tenant_malformed';
const UNKNOWN = 'resource_not_found, tenant_unknown';

type Case = [identifiers: Readonly<Record<string, string>>, host: string | readonly string[], path: string, unknown];

describe('the resource of a request', () => {
  it.each<Case>([
    [ONE, 'anything', '/whatever', 'one'],
    [TWO, 'a.example.com', '/mcp', 'a'],
    [TWO, 'A.Example.com:443', '/else', 'a'],
    [TWO, 'a.example.com:80', '/mcp', FOREIGN],
    [TWO, 'b.example.com:8443', '/mcp', 'b'],
    [TWO, 'b.example.com', '/mcp', FOREIGN],
    [TWO, 'c.example.com', '/mcp', FOREIGN],
    [TWO, 'b.example.com:8443:443', '/mcp', FOREIGN],
    [TWO, [], '/mcp', FOREIGN],
    [TWO, ['a.example.com', 'b.example.com:8443'], '/mcp', FOREIGN],
    [PLAIN_HTTP, '127.0.0.1:80', '/mcp', 'a'],
    [PLAIN_HTTP, '127.0.0.1:443', '/mcp', FOREIGN],
    [PLAIN_HTTP, 'localhost:3000', '/mcp', 'b'],
    [SEVERAL_AT_B, 'a.example.com', '/other', 'a'],
    [SEVERAL_AT_B, 'b.example.com:8443', '/mcp', 'b'],
    [SEVERAL_AT_B, 'b.example.com:8443', '/other', 'c'],
    [SEVERAL_AT_B, 'b.example.com:8443', '/last', 'd'],
    [SEVERAL_AT_B, 'b.example.com:8443', '/last/', UNDECIDED],
    [APART, 'a.example.com', '/one', UNDECIDED],
    [HOST, 'acme.example.com', '/any', 't of {"tenant":"acme"}'],
    [HOST, 'nobody.example.com', '/mcp', UNKNOWN],
    [HOST, 'example.com', '/mcp', MALFORMED],
    [HOST, [], '/mcp', MALFORMED],
    [PATH, 'anything', '/orgs/acme/mcp', 't of {"tenant":"acme"}'],
    [PATH, 'anything', '/orgs/acme/mcp/below', 't of {"tenant":"acme"}'],
    [PATH, 'anything', '/orgs/nobody/mcp', UNKNOWN],
    [PATH, 'anything', '/orgs/acme', MALFORMED],
    [BOTH, 'eu.example.com', '/acme/mcp', 't of {"region":"eu","org":"acme"}'],
    [BOTH, 'example.com', '/acme/mcp', MALFORMED],
    [BOTH, 'eu.example.com', '/acme', MALFORMED],
    [HOSTS_AND_ONE, 'a.example.com', '/mcp', 'a'],
    [HOSTS_AND_ONE, 'acme.example.com', '/mcp', 't of {"tenant":"acme"}'],
    [HOSTS_AND_ONE, 'a.b.example.com', '/mcp', FOREIGN],
    [HOSTS_AND_ONE, '{tenant}.example.com', '/mcp', FOREIGN],
    [TWO_PATHS, 'a.example.com', '/acme/mcp', 's of {"org":"acme"}'],
    [TWO_PATHS, 'b.example.com', '/acme/mcp', 't of {"tenant":"acme"}'],
    [TWO_PATHS, 'c.example.com', '/acme/mcp', FOREIGN],
    [
      { ...TWO_PATHS, u: 'https://a.example.com/{org}/other/{project}' },
      'a.example.com',
      '/acme/other/x',
      'u of {"org":"acme","project":"x"}',
    ],
    [{ ...TWO_PATHS, u: 'https://a.example.com/{org}/other/{project}' }, 'a.example.com', '/acme', UNDECIDED],
    [
      { ...TWO_PATHS, u: 'https://a.example.com/{org}/other/{project}' },
      'a.example.com',
      '/acme/mcp/below',
      's of {"org":"acme"}',
    ],
  ])('of %j, at %j and %s, is %s', async (identifiers, host, path, expected) => {
    expect(await among(identifiers).ask('serverFor', host, path)).toBe(expected);
  });

  it.each<[host: string | readonly string[], path: string, seen: object, ...all: Readonly<Record<string, string>>[]]>([
    ['c.example.com', '/mcp?query', { Host: '"c.example.com"', path: '"/mcp"' }, TWO, APART, PATH],
    [['c.example.com', 'd.example.com'], '/', { Host: '["c.example.com", "d.example.com"]', path: '"/"' }, TWO, PATH],
    [[], '/', { Host: 'null', path: '"/"' }, TWO, APART, PATH],
    ['b.example.com:8443', '/', { Host: '"b.example.com:8443"', path: '"/"' }, SEVERAL_AT_B],
  ])('is refused with what was seen: %j and %s', (host, path, seen, ...all) => {
    for (const identifiers of all) {
      const { requested } = among(identifiers);
      let refusal: unknown;
      try {
        void requested.serverFor(requestTo(host, path), undefined);
      } catch (error) {
        refusal = error;
      }
      expect((refusal as McpAuthError).seen).toEqual(seen);
    }
  });

  it('is refused with what was seen if there is no such tenant', async () => {
    const { requested } = among(HOST);
    const asked = Promise.resolve(requested.serverFor(requestTo('nobody.example.com', '/mcp'), undefined));
    const refusal = await asked.catch((error: unknown) => error as McpAuthError);
    expect((refusal as McpAuthError).seen).toEqual({ Host: '"nobody.example.com"', path: '"/mcp"' });
  });

  it('is the one that its route declares, whatever its host', async () => {
    const { requested } = among(TWO);
    const request = requestTo('a.example.com', '/');
    expect((await requested.serverFor(request, 'b')).resource.id).toBe('b');
    expect([requested.declaredAs('b').id, requested.declaredAs(undefined).id]).toEqual(['b', 'a']);
  });
});

describe('the resource whose metadata a request asks for', () => {
  it.each<Case>([
    [ONE, 'anything', `${METADATA}/mcp`, 'one'],
    [ONE, 'anything', METADATA, 'one'],
    [ONE, 'anything', `${METADATA}/other`, undefined],
    [ONE, 'anything', '/mcp', undefined],
    [ROOT_ONLY, 'anything', METADATA, 'root'],
    [TWO, 'a.example.com', `${METADATA}/mcp`, 'a'],
    [TWO, 'A.example.com:443', `${METADATA}/mcp`, 'a'],
    [TWO, 'b.example.com:8443', `${METADATA}/mcp`, 'b'],
    [TWO, 'c.example.com', `${METADATA}/mcp`, 'unknown'],
    [TWO, [], `${METADATA}/mcp`, 'unknown'],
    [TWO, 'a.example.com', METADATA, undefined],
    [APART, 'anything', `${METADATA}/one`, 'a'],
    [APART, 'anything', `${METADATA}/two/`, 'b'],
    [APART, 'anything', `${METADATA}/two`, undefined],
    [HOST, 'acme.example.com', `${METADATA}/mcp`, 't of {"tenant":"acme"}'],
    [HOST, 'acme.example.com', METADATA, 't of {"tenant":"acme"}'],
    [HOST, 'nobody.example.com', `${METADATA}/mcp`, 'unknown'],
    [HOST, 'acme.example.org', `${METADATA}/mcp`, 'unknown'],
    [HOST, 'acme.example.com', `${METADATA}/other`, undefined],
    [HOST_OF_ROOT, 'acme.example.com', METADATA, 't of {"tenant":"acme"}'],
    [HOST_OF_SLASH, 'acme.example.com', METADATA, 't of {"tenant":"acme"}'],
    [HOST_OF_SLASH, 'acme.example.com', `${METADATA}/`, undefined],
    [PATH, 'anything', `${METADATA}/orgs/acme/mcp`, 't of {"tenant":"acme"}'],
    [PATH, 'anything', `${METADATA}/orgs/nobody/mcp`, 'unknown'],
    [PATH, 'anything', `${METADATA}/orgs/%61/mcp`, 'unknown'],
    [PATH, 'anything', `${METADATA}/orgs/acme/mcp/below`, undefined],
    [PATH, 'anything', METADATA, undefined],
    [PATH, 'anything', '/orgs/acme/mcp', undefined],
    [BOTH, 'eu.example.com', `${METADATA}/acme/mcp`, 't of {"region":"eu","org":"acme"}'],
    [BOTH, 'example.com', `${METADATA}/acme/mcp`, 'unknown'],
    [HOSTS_AND_ONE, 'a.example.com', `${METADATA}/mcp`, 'a'],
    [HOSTS_AND_ONE, 'acme.example.com', `${METADATA}/mcp`, 't of {"tenant":"acme"}'],
    [PATH_AND_ONE, 'a.example.com', `${METADATA}/orgs/acme/mcp`, 'one'],
    [PATH_AND_ONE, 'a.example.com', `${METADATA}/orgs/globex/mcp`, 't of {"tenant":"globex"}'],
    [PATH_AND_ONE, 'anything', `${METADATA}/orgs/acme/mcp`, 'one'],
    [PATH_AND_ONE, 'anything', `${METADATA}/other`, 'other'],
    [PATH_AND_ONE, 'anything', `${METADATA}/else`, undefined],
    [TWO_PATHS, 'b.example.com', `${METADATA}/acme/mcp`, 't of {"tenant":"acme"}'],
    [TWO_PATHS, 'c.example.com', `${METADATA}/acme/mcp`, 'unknown'],
  ])('of %j, at %j and %s, is %s', async (identifiers, host, path, expected) => {
    expect(await among(identifiers).ask('documented', host, path)).toBe(expected);
  });

  it('is at the root only if the options say so', async () => {
    for (const identifiers of [ONE, HOST])
      expect(await among(identifiers, false).ask('documented', 'acme.example.com', METADATA)).toBeUndefined();
    expect(await among(ROOT_ONLY, false).ask('documented', 'anything', METADATA)).toBe('root');
  });
});

describe('the resource below which a request is', () => {
  it.each<Case>([
    [ONE, 'anything', '/mcp/logout', 'one'],
    [ONE, 'anything', '/mcp/logout?query', 'one'],
    [ONE, 'anything', '/mcp/other', undefined],
    [ONE, 'anything', '/mcp/logouts', undefined],
    [ONE, 'anything', '/mcp/signout', undefined],
    [ONE, 'anything', '/mcp/others', undefined],
    [ONE, 'anything', '/mcp', undefined],
    [ONE, 'anything', '/mcp/below/logout', undefined],
    [ROOT_ONLY, 'anything', '/logout', 'root'],
    [TWO, 'b.example.com:8443', '/mcp/logout', 'b'],
    [TWO, 'c.example.com', '/mcp/logout', 'unknown'],
    [APART, 'anything', '/two/logout', 'b'],
    [APART, 'anything', '/two//logout', undefined],
    [{ one: 'https://a.example.com/a/b' }, 'anything', '/ab/logout', undefined],
    [{ one: 'https://a.example.com/a/b' }, 'anything', '/a/b/logout', 'one'],
    [HOST, 'acme.example.com', '/mcp/logout', 't of {"tenant":"acme"}'],
    [HOST, 'nobody.example.com', '/mcp/logout', 'unknown'],
    [HOST, 'acme.example.com', '/other/logout', undefined],
    [PATH, 'anything', '/orgs/acme/mcp/logout', 't of {"tenant":"acme"}'],
    [PATH, 'anything', '/orgs/nobody/mcp/logout', 'unknown'],
    [PATH, 'anything', '/orgs/acme/mcp/below/logout', undefined],
    [PATH_AND_ONE, 'a.example.com', '/orgs/acme/mcp/logout', 'one'],
    [PATH_AND_ONE, 'a.example.com', '/orgs/globex/mcp/logout', 't of {"tenant":"globex"}'],
  ])('of %j, at %j and %s, is %s', async (identifiers, host, path, expected) => {
    expect(await among(identifiers).ask('below', host, path)).toBe(expected);
  });
});
