import type { RequestListener } from 'node:http';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { examine, runCli } from '../support/doctor.js';
import { expectNoTrace } from '../support/expectations.js';
import { LoopbackServer } from '../support/loopback-server.js';

jest.setTimeout(60_000);

let started: LoopbackServer | undefined;
afterEach(() => started?.close());

async function serve(listener: (origin: string) => RequestListener): Promise<string> {
  started = await LoopbackServer.start((request, response) => void listener(origin)(request, response));
  const { origin } = started;
  return origin;
}

/** Clears a screen, sets a title, turns text around, ends a line, is a CSI of one character, and is no text at all. */
const ESCAPES = '\u001b[2J\u001b]0;title\u0007\u202egnp.exe\u2028\r\n\u009b31m\u0000\ud800';

const HOSTILE: readonly (readonly [name: string, value: unknown])[] = [
  ['escape sequences', ESCAPES],
  ['a megabyte of text', 'x'.repeat(900_000)],
  ['a megabyte of slashes', '/'.repeat(900_000)],
  ['a megabyte of at signs and slashes', '//a@'.repeat(200_000)],
  ['a list of a hundred thousand', Array.from({ length: 100_000 }, () => 'a')],
  ['a list of lists', [[[['a']]]]],
  ['a list of escape sequences', [ESCAPES, ESCAPES]],
  ['an object', { toString: 'x', __proto__: 'y' }],
  ['null', null],
  ['a number', 1e308],
  ['true', true],
];

const RESOURCE_MEMBERS = [
  'resource',
  'authorization_servers',
  'scopes_supported',
  'bearer_methods_supported',
  'authorization_details_types_supported',
];

const SERVER_MEMBERS = [
  'issuer',
  'authorization_endpoint',
  'token_endpoint',
  'jwks_uri',
  'registration_endpoint',
  'introspection_endpoint',
  'response_types_supported',
  'grant_types_supported',
  'code_challenge_methods_supported',
  'token_endpoint_auth_methods_supported',
  'scopes_supported',
  'dpop_signing_alg_values_supported',
  'protected_resources',
  'acr_values_supported',
  'authorization_grant_profiles_supported',
  'keys',
];

function expectHarmless(out: string): void {
  // eslint-disable-next-line no-control-regex
  expect(out).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/);
  for (const line of out.split('\n')) expect(line.length).toBeLessThan(2_500);
}

/** A server that is MCP server and authorization server in one, with members of its documents replaced. */
function both(replaced: Readonly<Record<string, unknown>>): (origin: string) => RequestListener {
  return (origin) => (request, response) => {
    request.resume();
    const path = request.url ?? '';
    const json = (document: object, status = 200): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(document));
    };
    if (path.startsWith('/.well-known/oauth-protected-resource')) {
      return json({ resource: `${origin}/mcp`, authorization_servers: [origin], ...replaced });
    }
    if (path.startsWith('/.well-known/')) {
      return json({
        issuer: origin,
        jwks_uri: `${origin}/jwks`,
        authorization_endpoint: `${origin}/a`,
        token_endpoint: `${origin}/t`,
        ...replaced,
      });
    }
    if (path === '/jwks') return json({ keys: [], ...replaced });
    response.setHeader(
      'www-authenticate',
      `Bearer resource_metadata="${origin}/.well-known/oauth-protected-resource/mcp"`,
    );
    json({}, 401);
  };
}

describe.each(HOSTILE)('doctor on documents that hold %s', (_name, value) => {
  it.each([
    ['every member of the resource', RESOURCE_MEMBERS],
    ['every member of the authorization server', SERVER_MEMBERS.slice(1)],
    ['its issuer', ['issuer']],
  ])('survives it in %s, and prints nothing harmful', async (_where, members) => {
    const origin = await serve(both(Object.fromEntries(members.map((member) => [member, value]))));
    for (const args of [[], ['--json'], ['--verbose']]) {
      const { code, out } = await runCli(['doctor', `${origin}/mcp`, ...args]);
      expect(code).toBe(1);
      expectHarmless(out);
    }
  });
});

describe('doctor on hostile headers', () => {
  it.each([
    ['escape sequences', '\u001b[2J'.replaceAll('\u001b', '\u009b')],
    ['eight thousand characters', 'x'.repeat(8_000)],
    ['eight thousand quotes', '"'.repeat(8_000)],
    ['eight thousand commas', ','.repeat(8_000)],
    ['eight thousand spaces', `Bearer${' '.repeat(8_000)}x`],
  ])('survives %s in each', async (_what, value) => {
    const origin = await serve(() => (request, response) => {
      request.resume();
      for (const name of [
        'www-authenticate',
        'cache-control',
        'access-control-allow-origin',
        'location',
        'content-type',
        'date',
      ]) {
        if (value.length < 100 || name === 'www-authenticate') response.setHeader(name, value);
      }
      response.statusCode = request.method === 'GET' ? 302 : 401;
      response.end();
    });
    const { code, out } = await runCli(['doctor', `${origin}/mcp`, '--verbose']);
    expect(code).toBe(1);
    expectHarmless(out);
  });
});

describe('doctor and what only this machine reaches', () => {
  it('looks at no more than five authorization servers', async () => {
    const origin = await serve((own) =>
      both({ authorization_servers: Array.from({ length: 50 }, (_, index) => `${own}/${index}`) })(own),
    );
    const { document } = await examine(`${origin}/mcp`);
    expect(document.sections.filter(({ subject }) => subject === 'authorization-server')).toHaveLength(5);
    expect(document.remarks).toEqual(['It names 50 authorization servers; the first 5 were examined.']);
  });

  it('follows no redirect', async () => {
    let followed = 0;
    const origin = await serve((own) => (request, response) => {
      request.resume();
      if (request.url === '/followed') followed += 1;
      response.writeHead(302, { location: `${own}/followed` }).end();
    });
    await runCli(['doctor', `${origin}/mcp`]);
    expect(followed).toBe(0);
  });
});

describe('doctor with a token, on a server that sends it back wherever it can', () => {
  it.each([
    ['as it came', (token: string): string => token],
    ['without its signature', (token: string): string => token.split('.').slice(0, 2).join('.')],
    ['its payload', (token: string): string => token.split('.')[1] ?? ''],
    ['in base64', (token: string): string => Buffer.from(token).toString('base64')],
    ['in hexadecimal digits', (token: string): string => Buffer.from(token).toString('hex')],
    [
      'its claims, decoded',
      (token: string): string =>
        Buffer.from(token.split('.')[1] ?? '', 'base64url')
          .toString()
          .replaceAll('"', String.raw`\"`),
    ],
    ['with every character escaped', (token: string): string => token.replace(/[^"\\]/g, String.raw`\$&`)],
  ])('prints nothing of it: %s', async (_how, distort) => {
    await using issuer = await TestIssuer.start({ alg: 'ES256' });
    // It keeps what it got, so that the later runs meet it everywhere.
    let kept = 'nothing';
    const listener: RequestListener = (request, response) => {
      request.resume();
      const sent = request.headers.authorization?.replace(/^Bearer /, '');
      if (sent?.startsWith('ey')) kept = sent;
      const back = distort(kept);
      const headers = {
        'content-type': `text/${back.replace(/\W/g, '')}`,
        'cache-control': back,
        location: back,
        date: back,
      };
      response.writeHead(401, { 'www-authenticate': `Bearer error="${back}", scope="${back}"`, ...headers });
      response.end(JSON.stringify({ error: back }));
    };
    const origin = await serve(() => listener);
    const token = await issuer.mint({ aud: `${origin}/mcp`, note: 'told-to-nobody' });
    for (const flags of [[], ['--json'], ['--verbose']]) {
      const { out, err } = await runCli(['doctor', `${origin}/mcp`, ...flags], {
        environment: { MCP_AUTH_TOKEN: token },
      });
      expectNoTrace(token, { out, err });
      const forms = [...token.split('.'), Buffer.from(token).toString('base64'), Buffer.from(token).toString('hex')];
      for (const part of forms) expect(out.toLowerCase().includes(part.slice(0, 24).toLowerCase())).toBe(false);
      expect(out).not.toContain('told-to-nobody');
    }
  });
});

describe('doctor with the secret of a client, on a server that sends back what it got', () => {
  const SECRET = 'a secret/with+what&has to be=encoded';
  let received: string[];

  async function examineAt(host: string) {
    received = [];
    const local = await serve((own) => ({ url, headers: { authorization } }, response) => {
      if (authorization !== undefined) received.push(authorization);
      const issuer = own.replace('127.0.0.1', host);
      const isMetadata = url?.startsWith('/.well-known/') === true;
      const location = `/?${authorization?.replace('Basic ', '')}`;
      response.writeHead(isMetadata ? 200 : 302, {
        'content-type': 'application/json',
        ...(!isMetadata && { location }),
      });
      response.end(JSON.stringify({ issuer, token_endpoint: `${issuer}/token` }));
    });
    const args = ['--client-id', 'doctor', '--issuer', '--verbose'];
    return examine(local.replace('127.0.0.1', host), args, { environment: { MCP_AUTH_CLIENT_SECRET: SECRET } });
  }

  it('prints nothing of it, nor of the header that holds it', async () => {
    const { out, err } = await examineAt('127.0.0.1');
    const [sent = ''] = received;
    expect(sent).toMatch(/^Basic \S{30,}$/);
    expect(out).toContain('AS-21');
    for (const part of [SECRET, encodeURIComponent(SECRET), sent.slice(6), sent.slice(6, 30)])
      expect(out + err).not.toContain(part);
  });

  it('never sends it over plain http beyond this machine', async () => {
    // An address that is not taken for this machine, and on many systems leads there.
    const { of } = await examineAt('0.0.0.0');
    expect(received).toEqual([]);
    expect(of('unseen')).toContainEqual(expect.stringMatching(/^AS-21: .*not https/));
  });
});
