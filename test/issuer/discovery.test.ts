import { afterEach, describe, expect, it } from '@jest/globals';
import { TestIssuer, type TestIssuerOptions, type WellKnownForm } from 'nestjs-mcp-auth/testing';
import {
  discover,
  endpointIn,
  MetadataError,
  MetadataUnavailableError,
  metadataUrls,
  type Discovery,
} from '../../lib/issuer/discovery.js';
import { OutboundError } from '../../lib/issuer/outbound-error.js';

/** By its cause: Jest's own realm keeps the library from recognizing Node's errors, and its message from saying more. */
const TIMEOUT = { name: 'OutboundError', status: undefined, cause: { name: 'TimeoutError' } };
const LIMITS = { timeoutMs: 20_000, maxBytes: 1_048_576, allowInsecureHttp: false };

let issuer: TestIssuer;
afterEach(() => issuer?.close());

async function start(options: TestIssuerOptions = {}): Promise<TestIssuer> {
  issuer = await TestIssuer.start({ alg: 'ES256', ...options });
  return issuer;
}

/** What is used of the metadata for verifying JWTs. */
async function find(
  discovery: Discovery = 'auto',
  limits: Partial<typeof LIMITS> = {},
): Promise<Record<string, string>> {
  const { allowInsecureHttp, ...outbound } = { ...LIMITS, ...limits };
  const metadata = await discover(issuer.issuer, discovery, outbound);
  return { issuer: issuer.issuer, jwks_uri: endpointIn(metadata, 'jwks_uri', issuer.issuer, allowInsecureHttp) };
}

/** The places that were asked, in order. */
const asked = (): string[] => issuer.requests.map(({ url }) => new URL(url, issuer.issuer).href);

describe('metadataUrls', () => {
  it.each<[string, Discovery, string[]]>([
    ['https://as.example', 'auto', ['/.well-known/oauth-authorization-server', '/.well-known/openid-configuration']],
    ['https://as.example/', 'auto', ['/.well-known/oauth-authorization-server', '/.well-known/openid-configuration']],
    [
      'https://as.example/t1',
      'auto',
      [
        '/.well-known/oauth-authorization-server/t1',
        '/.well-known/openid-configuration/t1',
        '/t1/.well-known/openid-configuration',
      ],
    ],
    [
      'https://as.example/a/b/',
      'auto',
      [
        '/.well-known/oauth-authorization-server/a/b',
        '/.well-known/openid-configuration/a/b',
        '/a/b/.well-known/openid-configuration',
      ],
    ],
    ['https://as.example/t1', 'oauth', ['/.well-known/oauth-authorization-server/t1']],
    ['https://as.example/t1', 'oidc', ['/.well-known/openid-configuration/t1', '/t1/.well-known/openid-configuration']],
    ['https://as.example', 'oidc', ['/.well-known/openid-configuration']],
  ])('of %s by %s are those of the MCP specification, in its order', (from, discovery, paths) => {
    expect(metadataUrls(from, discovery)).toEqual(paths.map((path) => `https://as.example${path}`));
  });

  it('is the one it is told, wherever that is', () => {
    expect(metadataUrls('https://as.example/t1', { url: 'https://cdn.example/as.json' })).toEqual([
      'https://cdn.example/as.json',
    ]);
  });

  it('keeps the port', () => {
    expect(metadataUrls('http://localhost:8080/t1', 'oauth')).toEqual([
      'http://localhost:8080/.well-known/oauth-authorization-server/t1',
    ]);
  });
});

describe('discover', () => {
  it.each<WellKnownForm>(['oauth', 'oidc-insert', 'oidc-append'])(
    'finds the metadata of an issuer that serves only %s',
    async (form) => {
      await start({ path: '/t1', wellKnown: [form] });
      expect(await find()).toEqual({ issuer: issuer.issuer, jwks_uri: issuer.jwksUri });
      const order = (['oauth', 'oidc-insert', 'oidc-append'] as const).map((each) => issuer.wellKnownUris[each]);
      expect(asked()).toEqual(order.slice(0, order.indexOf(issuer.wellKnownUris[form]) + 1));
    },
  );

  it.each<WellKnownForm>(['oauth', 'oidc-insert'])(
    'finds the metadata of an issuer without a path at %s',
    async (form) => {
      await start({ wellKnown: [form] });
      expect(await find()).toMatchObject({ jwks_uri: issuer.jwksUri });
    },
  );

  it('stops at the first place that has it', async () => {
    await start({ path: '/t1' });
    await find();
    expect(asked()).toEqual([issuer.wellKnownUris.oauth]);
  });

  it.each<[Discovery, WellKnownForm]>([
    ['oauth', 'oidc-append'],
    ['oidc', 'oauth'],
  ])('looks for %s nowhere else: not where only %s is', async (discovery, form) => {
    await start({ path: '/t1', wellKnown: [form] });
    await expect(find(discovery)).rejects.toMatchObject({ name: 'OutboundError', status: 404 });
    expect(asked()).not.toContain(issuer.wellKnownUris[form]);
  });

  it('takes the document at the URL it is told', async () => {
    await start({ path: '/t1', wellKnown: ['oidc-append'] });
    await find({ url: issuer.wellKnownUris['oidc-append'] });
    expect(asked()).toEqual([issuer.wellKnownUris['oidc-append']]);
  });

  it('leaves a slash at the end of an issuer out of the URL, and in the comparison', async () => {
    await start({ path: '/t1/' });
    expect(await find()).toMatchObject({ issuer: issuer.issuer });
    issuer.metadata['issuer'] = issuer.issuer.slice(0, -1);
    await expect(find()).rejects.toThrow(MetadataError);
  });

  it('sends no credentials, and asks for JSON', async () => {
    await start();
    await find();
    const [{ headers, method } = {}] = issuer.requests as [TestIssuer['requests'][number]];
    expect(method).toBe('GET');
    expect(headers).toMatchObject({ accept: 'application/json' });
    expect(Object.keys(headers ?? {})).not.toEqual(expect.arrayContaining(['authorization']));
    expect(Object.keys(headers ?? {})).not.toEqual(expect.arrayContaining(['cookie']));
  });

  describe('a document that must not be used', () => {
    it('names another issuer', async () => {
      await start({ path: '/t1' });
      issuer.fail('wrong-issuer');
      await expect(find()).rejects.toMatchObject({
        name: 'MetadataError',
        message: expect.stringMatching(
          /names another issuer .*configure it as it is spelt there: a slash at the end counts$/,
        ),
      });
      // Not the place to look further: whoever answers here may answer there.
      expect(asked()).toEqual([issuer.wellKnownUris.oauth]);
    });

    it.each<[string, (url: string) => unknown]>([
      ['with a slash more', (url) => `${url}/`],
      ['in upper case', (url) => url.toUpperCase()],
      ['with its path encoded', (url) => url.replace('t1', '%741')],
      ['in an array', (url) => [url]],
      ['not at all', () => undefined],
      ['as null', () => null],
    ])('names the issuer %s', async (_what, change) => {
      await start({ path: '/t1' });
      issuer.metadata['issuer'] = change(issuer.issuer);
      await expect(find()).rejects.toThrow(MetadataError);
    });

    it.each([undefined, null, '', 7, '/jwks', 'jwks', ['http://127.0.0.1/jwks']])(
      'has a jwks_uri of %j',
      async (uri) => {
        await start({ metadata: { jwks_uri: uri } });
        await expect(find()).rejects.toThrow('names no jwks_uri');
      },
    );

    it.each([
      'http://as.example/jwks',
      'http://10.0.0.1/jwks',
      'ftp://127.0.0.1/jwks',
      'file:///etc/passwd',
      'data:application/json,{}',
      'javascript:1',
    ])('has a jwks_uri of %s, which is not https', async (uri) => {
      await start({ metadata: { jwks_uri: uri } });
      await expect(find()).rejects.toThrow('is not https');
    });

    it('may have a plain jwks_uri where the application says so, and no other scheme', async () => {
      await start({ metadata: { jwks_uri: 'http://as.example/jwks' } });
      expect(await find('auto', { allowInsecureHttp: true })).toMatchObject({ jwks_uri: 'http://as.example/jwks' });
      issuer.metadata['jwks_uri'] = 'ftp://as.example/jwks';
      await expect(find('auto', { allowInsecureHttp: true })).rejects.toThrow(MetadataError);
      await expect(find('auto', { allowInsecureHttp: true })).rejects.toThrow(/is not https, so it is not used$/);
    });

    describe('names plain http on this machine', () => {
      const metadata = (uri: string): Record<string, string> => ({ jwks_uri: uri, introspection_endpoint: uri });
      const LOCAL = [
        'http://127.0.0.1:9200/_cluster/keys',
        'http://localhost/keys',
        'http://[::1]:1/',
        'http://127.1/keys',
        'http://2130706433/',
        'http://0x7f.1/',
      ];
      const ELSEWHERE = [
        'https://as.example.com',
        'https://localhost:8443',
        'https://127.0.0.1',
        'https://[::1]',
        'http://as.example.com',
        'http://localhost.example.com',
      ];

      it.each(LOCAL)('OA21-1.5-a: %s, and is used of an issuer that is there itself by plain http only', (uri) => {
        for (const member of ['jwks_uri', 'introspection_endpoint']) {
          for (const own of ['http://localhost:8080', 'http://127.0.0.1/realms/main', 'http://[::1]:3000']) {
            expect(endpointIn(metadata(uri), member, own, false)).toBe(new URL(uri).href);
          }
          for (const other of ELSEWHERE) {
            expect(() => endpointIn(metadata(uri), member, other, false)).toThrow(
              'accepted only of an issuer that is itself plain http on this machine',
            );
            expect(endpointIn(metadata(uri), member, other, true)).toBe(new URL(uri).href);
            // Where the document stands in the options, nobody but the operator has written it.
            expect(endpointIn(metadata(uri), member, other, false, true)).toBe(new URL(uri).href);
          }
        }
      });

      it.each([
        'http://[::ffff:127.0.0.1]/',
        'http://[::ffff:7f00:1]/',
        'http://0.0.0.0/',
        'http://keys.localhost/',
        'http://localhost./',
        'http://10.0.0.1/',
        'http://keycloak:8080/',
      ])('OA21-1.5-a: not so %s, of which nobody knows that it is this machine', (uri) => {
        expect(() => endpointIn(metadata(uri), 'jwks_uri', 'http://localhost:8080', false)).toThrow(
          'needs the option allowInsecureHttp',
        );
      });
    });

    it('may have an https jwks_uri anywhere', async () => {
      await start({ metadata: { jwks_uri: 'https://keys.example/jwks' } });
      expect(await find()).toMatchObject({ jwks_uri: 'https://keys.example/jwks' });
    });
  });

  it('gives up a document whose repair by the application never ends', async () => {
    await start();
    const outbound = { ...LIMITS, timeoutMs: 100 };
    const repair = (): Promise<never> => new Promise(() => undefined);
    await expect(discover(issuer.issuer, 'auto', outbound, repair)).rejects.toThrow('transformMetadata failed');
  });

  it.each<[string, unknown, string]>([
    ['an error', new Error('no such member'), 'no such member'],
    ['another value', 'no', 'it threw a value that is not an Error'],
  ])(
    'has the cause kept, where the application throws %s instead of a repaired document',
    async (_what, cause, why) => {
      await start();
      const repair = (): never => {
        throw cause;
      };
      await expect(discover(issuer.issuer, 'auto', LIMITS, repair)).rejects.toMatchObject({
        name: 'MetadataError',
        message: `transformMetadata failed for the metadata of ${issuer.issuer}: ${why}`,
        cause,
      });
      expect(asked()).toHaveLength(1);
    },
  );

  it.each([undefined, null, 'x', []])(
    'does not use a document that the application repairs to %j',
    async (repaired) => {
      await start();
      await expect(discover(issuer.issuer, 'auto', LIMITS, () => repaired)).rejects.toMatchObject({
        name: 'MetadataError',
        message: `transformMetadata returned no object for the metadata of ${issuer.issuer}`,
      });
      const { jwks_uri } = await discover(issuer.issuer, 'auto', LIMITS, async (document) => ({
        ...(document as object),
        jwks_uri: 'repaired',
      }));
      expect(jwks_uri).toBe('repaired');
    },
  );

  it('has its failures told to those who need an endpoint of it', () => {
    const cause = new Error('status 404');
    expect(new MetadataUnavailableError(cause)).toMatchObject({
      name: 'MetadataUnavailableError',
      message: 'status 404',
      cause,
    });
    expect(new MetadataUnavailableError('x')).toMatchObject({
      message: 'the metadata could not be fetched',
      cause: 'x',
    });
  });

  describe('an answer that is none', () => {
    it('is 429: gives up, since the document may well be there', async () => {
      const places: unknown[] = [];
      const busy = async (url: unknown): Promise<Response> => (places.push(url), new Response('', { status: 429 }));
      const outbound = { ...LIMITS, fetch: busy as typeof fetch };
      await expect(discover('https://as.example/t1', 'auto', outbound)).rejects.toThrow('status 429');
      expect(places).toHaveLength(1);
    });

    it('is 404 everywhere: says so of the first place, which is where it should be', async () => {
      await start({ path: '/t1', wellKnown: [] });
      await expect(find()).rejects.toThrow(`GET ${issuer.wellKnownUris.oauth}: status 404`);
      expect(asked()).toHaveLength(3);
    });

    it('is a web page: looks on, since some products answer every path with one', async () => {
      await start({ path: '/t1' });
      issuer.fail('html');
      await expect(find()).rejects.toThrow('content type "text/html"');
      expect(asked()).toHaveLength(3);
    });

    it('is a redirect: does not follow it, says where it leads, and looks on', async () => {
      await start({ path: '/t1' });
      issuer.fail('redirect');
      const target = `${new URL(issuer.issuer).origin}/canary/metadata`;
      await expect(find()).rejects.toThrow(`status 302, a redirect to "${target}", and redirects are not followed`);
      expect(issuer.requestCount('canary')).toBe(0);
      expect(asked()).toHaveLength(3);
    });

    it.each(['error', 'down'] as const)('is %s: gives up, since it says nothing about the place', async (fault) => {
      await start({ path: '/t1' });
      issuer.fail(fault);
      await expect(find()).rejects.toThrow(OutboundError);
      expect(asked()).toHaveLength(1);
    });

    it('does not come: gives up after the time it is given', async () => {
      await start({ path: '/t1' });
      issuer.fail('hang');
      await expect(find('auto', { timeoutMs: 100 })).rejects.toMatchObject(TIMEOUT);
      expect(asked()).toHaveLength(1);
    });

    it('comes too late', async () => {
      await start();
      issuer.fail({ slow: 60_000 });
      await expect(find('auto', { timeoutMs: 100 })).rejects.toMatchObject(TIMEOUT);
    });

    it('never ends: stops reading at the limit', async () => {
      await start();
      issuer.fail('huge');
      await expect(find('auto', { maxBytes: 10_000 })).rejects.toThrow('longer than 10000 bytes');
    });

    it('is cut off in the middle', async () => {
      await start();
      issuer.fail('invalid-json');
      await expect(find()).rejects.toThrow('is not JSON');
    });

    it('is there again later', async () => {
      await start();
      issuer.fail('error');
      await expect(find()).rejects.toThrow('status 500');
      issuer.recover();
      expect(await find()).toMatchObject({ issuer: issuer.issuer });
    });

    it('keeps what led to it, for the log', async () => {
      await start();
      issuer.fail('down');
      await expect(find()).rejects.toMatchObject({
        message: expect.stringContaining(`GET ${issuer.wellKnownUris.oauth}: no answer`),
        cause: { message: 'fetch failed', cause: { message: expect.any(String) } },
      });
    });
  });
});
