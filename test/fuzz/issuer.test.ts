import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { parseChallenges, TestIssuer } from 'nestjs-mcp-auth/testing';
import { expectNoTrace, resetRecorded } from '../support/expectations.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { alwaysAsync, jsonValue, memberName } from './property.js';

/** One answer of an authorization server, to any request for one of its documents. */
interface Answer {
  readonly status: number;
  readonly contentType: string | undefined;
  readonly encoding: string | undefined;
  /** Cuts the connection instead of all that. */
  readonly isCut: boolean;
  /** What it says; text and bytes as they are. */
  readonly document: unknown;
}

/** What is in a document, and must be filled in: the names of this very issuer. */
const ISSUER = '<issuer>';
const JWKS_URI = '<jwks uri>';
const GOOD_KEY = '<the good key>';

const NO_STATUS = [201, 204, 206, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 410, 418, 429, 500, 502, 503, 599];
const JSON_TYPES = [
  'application/json',
  'application/json; charset=utf-8',
  'APPLICATION/JSON',
  'application/jwk-set+json',
  'application/x.y+json;a=b',
];
/** As files and buckets are served: what counts is that it is JSON. */
const OTHER_TYPES = [
  undefined,
  '',
  'text/html',
  'text/plain',
  'application/jsonp',
  'application/xml',
  'json',
  'application/json-seq',
  '+json',
  'text/json',
];

/** Where keys of others may be; none of these is ours. */
const URIS = [
  'http://evil.example/keys',
  'https://evil.example/keys',
  'HTTP://evil.example',
  'http://127.0.0.1.evil.example/',
  'http://localhost.evil.example/',
  'http://169.254.169.254/latest/meta-data/',
  'http://[fd00:ec2::254]/',
  'http://10.0.0.1/',
  'http://0.0.0.0/',
  'http://0/',
  'http://[::]/',
  'http://[::ffff:7f00:1]/',
  'http://127.0.0.1@evil.example/',
  'http://localhost:80@evil.example/',
  'http://evil.example#@127.0.0.1/',
  'http://evil.example\\@127.0.0.1/',
  'http:evil.example',
  'http://localhost%2eevil.example/',
  'http://localhost\u3002evil.example/',
  'http://loc\u0430lhost/',
  '//evil.example/keys',
  '/keys',
  'keys',
  '',
  ' ',
  'file:///etc/passwd',
  'data:application/json,{"keys":[]}',
  'blob:null/x',
  'javascript:alert(1)',
  'ftp://127.0.0.1/',
  'about:blank',
  'ws://127.0.0.1/',
  'unix:/var/run/docker.sock',
  'gopher://127.0.0.1:6379/_',
  'http+unix://x',
  'https://',
  'http://',
  'http://[::1',
  'http://127.0.0.1:99999/',
  'http://127.0.0.1:1/\nGET /x',
];

const anyBytes = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.uint8Array({ maxLength: 40 }),
  fc.json(),
  fc.constantFrom('{', '{}', '[]', 'null', '\uFEFF{}', '{}{}', `{"x":${'['.repeat(5_000)}`),
);

/** A document, as a change of a good one, or something else. */
function documentOf(good: Readonly<Record<string, unknown>>, meaningful: readonly unknown[]): fc.Arbitrary<unknown> {
  const value = fc.oneof({ weight: 2, arbitrary: fc.constantFrom(...meaningful) }, { weight: 1, arbitrary: jsonValue });
  const name = fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom(...Object.keys(good)) },
    { weight: 1, arbitrary: memberName },
  );
  return fc.oneof(
    { weight: 3, arbitrary: fc.constant(good) },
    {
      weight: 5,
      arbitrary: fc
        .tuple(name, value)
        .map(([member, instead]) => Object.fromEntries([...Object.entries(good), [member, instead]])),
    },
    { weight: 1, arbitrary: jsonValue },
    { weight: 1, arbitrary: anyBytes },
  );
}

const metadata = documentOf({ issuer: ISSUER, jwks_uri: JWKS_URI }, [
  ISSUER,
  `${ISSUER}/`,
  JWKS_URI,
  ...URIS,
  [ISSUER],
  [JWKS_URI],
]);

/** A key with one member otherwise, which may still be as good. */
const alteredKey = fc
  .tuple(
    fc.oneof(
      fc.constantFrom('kty', 'crv', 'x', 'y', 'kid', 'alg', 'use', 'key_ops', 'd', 'k', 'n', 'x5c', 'ext'),
      memberName,
    ),
    jsonValue,
  )
  .map(([name, value]) => ({ [GOOD_KEY]: Object.fromEntries([[name, value]]) }));
const someKey = fc.oneof(
  { weight: 3, arbitrary: fc.constant<unknown>(GOOD_KEY) },
  { weight: 4, arbitrary: alteredKey as fc.Arbitrary<unknown> },
  { weight: 2, arbitrary: jsonValue },
  {
    weight: 2,
    arbitrary: fc.record(
      {
        kty: fc.constantFrom('EC', 'RSA', 'OKP', 'oct', 'AKP', 'ec'),
        kid: jsonValue,
        crv: jsonValue,
        x: jsonValue,
        n: jsonValue,
        e: jsonValue,
        k: jsonValue,
        key_ops: jsonValue,
      },
      { requiredKeys: ['kty'] },
    ),
  },
);
const keySet = fc.oneof(
  { weight: 6, arbitrary: fc.record({ keys: fc.array(someKey, { maxLength: 4 }) }) as fc.Arbitrary<unknown> },
  {
    weight: 3,
    arbitrary: documentOf({ keys: [GOOD_KEY] }, [[GOOD_KEY], GOOD_KEY, [[GOOD_KEY]], { 0: GOOD_KEY, length: 1 }, []]),
  },
);

function answerWith(document: fc.Arbitrary<unknown>): fc.Arbitrary<Answer> {
  const good = {
    status: fc.constant(200),
    contentType: fc.constantFrom<string | undefined>(...JSON_TYPES),
    encoding: fc.constant(undefined),
    isCut: fc.constant(false),
    document,
  };
  return fc.oneof(
    { weight: 8, arbitrary: fc.record<Answer>(good) },
    { weight: 1, arbitrary: fc.record<Answer>({ ...good, status: fc.constantFrom(...NO_STATUS) }) },
    { weight: 1, arbitrary: fc.record<Answer>({ ...good, contentType: fc.constantFrom(...OTHER_TYPES) }) },
    { weight: 1, arbitrary: fc.record<Answer>({ ...good, encoding: fc.constantFrom('gzip', 'br', 'deflate') }) },
    { weight: 1, arbitrary: fc.record<Answer>({ ...good, isCut: fc.constant(true) }) },
  );
}

/** The documents of one issuer among many. */
interface Documents {
  readonly metadata: Answer;
  readonly keys: Answer;
}

/** Authorization servers by the hundred, each with a path of its own and answers that are told it. */
class FakeIssuers {
  readonly #documents = new Map<string, Documents>();
  /** How often somebody came here on account of a redirect. */
  redirected = 0;

  private constructor(
    readonly server: Server,
    readonly origin: string,
    readonly key: TestIssuer['key'],
  ) {
    server.on('request', (request, response: ServerResponse) => this.#handle(request.url ?? '', response));
  }

  static async open(key: TestIssuer['key']): Promise<FakeIssuers> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new FakeIssuers(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`, key);
  }

  issuer(number: number): string {
    return `${this.origin}/as/${number}`;
  }

  set(number: number, documents: Documents): void {
    this.#documents.set(String(number), documents);
  }

  /** The document with the names of this issuer in it. */
  fill(number: string, value: unknown): unknown {
    const texts: Readonly<Record<string, unknown>> = {
      [ISSUER]: `${this.origin}/as/${number}`,
      [`${ISSUER}/`]: `${this.origin}/as/${number}/`,
      [JWKS_URI]: `${this.origin}/as/${number}/keys`,
      [GOOD_KEY]: this.key.publicJwk,
    };
    if (typeof value === 'string') return texts[value] ?? value;
    if (Array.isArray(value)) return value.map((one) => this.fill(number, one));
    if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
    const altered = (value as Record<string, unknown>)[GOOD_KEY];
    if (typeof altered === 'object')
      return Object.fromEntries([...Object.entries(this.key.publicJwk), ...Object.entries(altered as object)]);
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, this.fill(number, member)]));
  }

  close(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  #handle(url: string, response: ServerResponse): void {
    const number = /\/as\/(\d+)/.exec(url)?.[1];
    const documents = number === undefined ? undefined : this.#documents.get(number);
    if (!documents || number === undefined) {
      this.redirected++;
      response.writeHead(404).end();
      return;
    }
    const { status, contentType, encoding, isCut, document } = url.endsWith('/keys')
      ? documents.keys
      : documents.metadata;
    if (isCut) {
      response.socket?.destroy();
      return;
    }
    const filled = this.fill(number, document);
    const body =
      typeof document === 'string' || document instanceof Uint8Array
        ? Buffer.from(document as string)
        : Buffer.from(JSON.stringify(filled));
    response.writeHead(status, {
      ...(contentType !== undefined && { 'content-type': contentType }),
      ...(encoding !== undefined && { 'content-encoding': encoding }),
      ...(status >= 300 && status < 400 && { location: `${this.origin}/elsewhere` }),
    });
    response.end(status === 204 || status === 304 ? undefined : body);
  }
}

const POOL = 400;

describe('any authorization server', () => {
  const issuers: FakeIssuers[] = [];
  const servers: NotesServer[] = [];
  let key: TestIssuer;
  let next = POOL;
  /** One moment for all, however long it takes. */
  const now = Date.now();

  /** Every URL that was fetched, in the whole process. */
  const fetched: string[] = [];
  const realFetch = globalThis.fetch;
  beforeAll(async () => {
    key = await TestIssuer.start({ alg: 'ES256', now: () => now });
    globalThis.fetch = async (input, init) => {
      const url = input instanceof Request ? input.url : String(input);
      fetched.push(url);
      if (!isLoopback(new URL(url))) throw new TypeError('fetch failed');
      return realFetch(input, init);
    };
  });
  afterAll(async () => {
    globalThis.fetch = realFetch;
    await Promise.all(servers.map((server) => server.close()));
    for (const one of issuers) one.close();
    await key.close();
  });

  /** An issuer that was never asked for anything; shrinking may need many of them. */
  async function freshIssuer(): Promise<{ server: NotesServer; from: FakeIssuers; number: number }> {
    if (next === POOL) {
      const from = await FakeIssuers.open(key.key);
      const authorizationServers = Array.from({ length: POOL }, (_, number) => from.issuer(number));
      issuers.push(from);
      const server = await startNotesServer('express', { sharedIssuer: key, options: { authorizationServers } });
      server.clock.now = now;
      servers.push(server);
      next = 0;
    }
    return { server: servers.at(-1) as NotesServer, from: issuers.at(-1) as FakeIssuers, number: next++ };
  }

  /** Calls a tool with a token that is good if its issuer is, and returns what came of it. */
  async function call(
    documents: Documents,
  ): Promise<{ status: number; uris: string[]; from: FakeIssuers; number: number }> {
    const { server, from, number } = await freshIssuer();
    from.set(number, documents);
    resetRecorded(server);
    fetched.length = 0;
    const token = await server.mint({ iss: from.issuer(number) });
    const response = await server.callTool('ping', token);
    const text = await response.text();
    const { status, headers } = response;
    expect([200, 401, 503]).toContain(status);
    expect(server.ran).toEqual(status === 200 ? ['ping'] : []);
    expect(headers.has('retry-after')).toBe(status === 503);
    const challenges = headers.get('www-authenticate');
    expect(challenges !== null).toBe(status === 401);
    if (challenges !== null) expect(parseChallenges(challenges)[0]?.params['error']).toBe('invalid_token');
    expectNoTrace(token, { body: text, log: server.log.join('\n') });
    // What a server says about itself stands on one line of the log.
    expect(server.log.filter((line) => /\p{Cc}/u.test(line))).toEqual([]);
    return { status, uris: fetched.filter((url) => url !== server.resource), from, number };
  }

  it('is answered for with 200, 401 or 503 as its documents deserve, and leads nowhere it must not', async () => {
    const seen: Record<number, number> = {};
    await alwaysAsync(
      200,
      fc.record<Documents>({ metadata: answerWith(metadata), keys: answerWith(keySet) }),
      async (documents) => {
        const { status, uris, from, number } = await call(documents);
        seen[status] = (seen[status] ?? 0) + 1;
        const jwksUri = usableUri(documents.metadata, from, number);
        const keys = jwksUri === `${from.issuer(number)}/keys` ? keysOf(documents.keys, from, number) : undefined;
        const isExact = keys?.some((one) => isSame(one, from.key.publicJwk)) ?? false;
        const isThere = keys?.some((one) => isSamePoint(one, from.key.publicJwk)) ?? false;
        if (!keys) expect({ status }).toEqual({ status: 503 });
        else if (isExact) expect({ status }).toEqual({ status: 200 });
        else if (!isThere) expect({ status }).toEqual({ status: 401 });
        else expect([200, 401]).toContain(status);
        for (const uri of uris) expect([uri, isAllowed(new URL(uri), jwksUri)]).toEqual([uri, true]);
        expect(from.redirected).toBe(0);
      },
    );
    // Each of the three was seen, and not by chance.
    for (const status of [200, 401, 503]) expect([status, seen[status]]).toEqual([status, expect.any(Number)]);
  });

  it.each(URIS)('never fetches keys from %j, unless it is https', async (uri) => {
    const good = { status: 200, contentType: 'application/json', encoding: undefined, isCut: false };
    const { status, uris } = await call({
      metadata: { ...good, document: { issuer: ISSUER, jwks_uri: uri } },
      keys: { ...good, document: { keys: [GOOD_KEY] } },
    });
    expect(status).toBe(503);
    const beyond = uris.map((one) => new URL(one)).filter((url) => !isLoopback(url));
    expect(beyond.map((url) => url.protocol)).toEqual(uri === 'https://evil.example/keys' ? ['https:'] : []);
  });

  it('was watched: what it makes the server fetch is seen', () => {
    expect(fetched.length).toBeGreaterThan(0);
  });
});

/** What the body of a good answer says; undefined where there is none to rely on. */
function objectOf(
  { status, encoding, isCut, document }: Answer,
  from: FakeIssuers,
  number: number,
): Record<string, unknown> | undefined {
  if (isCut || status !== 200 || encoding !== undefined) return undefined;
  const filled = from.fill(String(number), document);
  let value: unknown;
  try {
    const isRaw = typeof document === 'string' || document instanceof Uint8Array;
    const text = isRaw
      ? new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(document as string))
      : JSON.stringify(filled);
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}

function usableUri(answer: Answer, from: FakeIssuers, number: number): string | undefined {
  const document = objectOf(answer, from, number);
  if (document?.['issuer'] !== from.issuer(number)) return undefined;
  const uri = document['jwks_uri'];
  if (typeof uri !== 'string' || !URL.canParse(uri)) return undefined;
  const url = new URL(uri);
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url)) ? uri : undefined;
}

function keysOf(answer: Answer, from: FakeIssuers, number: number): unknown[] | undefined {
  const keys = objectOf(answer, from, number)?.['keys'];
  return Array.isArray(keys) ? keys : undefined;
}

function isSame(one: unknown, other: object): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function isSamePoint(one: unknown, other: Readonly<Record<string, unknown>>): boolean {
  if (typeof one !== 'object' || one === null) return false;
  return ['kty', 'crv', 'x', 'y', 'kid'].every((name) => (one as Record<string, unknown>)[name] === other[name]);
}

/** The places of this machine, and no others, may be spoken to without encryption. */
function isLoopback({ protocol, hostname }: URL): boolean {
  return (
    (protocol === 'http:' || protocol === 'https:') &&
    (hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.\d+){3}$/.test(hostname))
  );
}

function isAllowed(url: URL, jwksUri: string | undefined): boolean {
  return isLoopback(url) || (url.protocol === 'https:' && jwksUri !== undefined && new URL(jwksUri).href === url.href);
}
