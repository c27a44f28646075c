import type { RequestListener, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { DevAuthorizationServer } from 'nestjs-mcp-auth/dev-server';
import { LoopbackServer } from '../support/loopback-server.js';
import { RESOURCE, start, verify } from './fixtures.js';
import { Browser, Client, REDIRECT_URI } from './flow.js';

const HTTPS_ID = 'https://notes.example/client.json';

function* endless(): Generator<Buffer> {
  for (;;) yield Buffer.alloc(64 * 1024, ' ');
}

const documentOf = (clientId: string) => ({
  client_id: clientId,
  client_name: 'Notes client with a URL',
  redirect_uris: [REDIRECT_URI],
  grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
  scope: 'notes:read',
});

describe('client ID metadata documents', () => {
  let server: DevAuthorizationServer;

  beforeAll(async () => {
    // The provider's guard against requests to inner networks needs a symbol that Jest's global object lacks; it says so once.
    jest.spyOn(console, 'warn').mockImplementation(() => undefined);
    server = await start({
      clientMetadataDocuments: {
        [HTTPS_ID]: documentOf(HTTPS_ID),
        'https://notes.example/copy.json': documentOf(HTTPS_ID),
      },
    });
  });
  afterAll(async () => {
    jest.restoreAllMocks();
    await server.close();
  });

  it('are announced in the metadata', async () => {
    const metadata = await (await fetch(`${server.issuer}/.well-known/oauth-authorization-server`)).json();
    expect(metadata).toMatchObject({ client_id_metadata_document_supported: true });
  });

  it('work from the start options under an https URL, without the network', async () => {
    const client = new Client(server.issuer, HTTPS_ID);
    const { body } = await client.exchange(
      await new Browser().signInAndAllow(client.authorizationUrl({ scope: 'notes:read' })),
    );
    expect((await verify(body.access_token, server.issuer)).payload).toMatchObject({
      client_id: HTTPS_ID,
      aud: RESOURCE,
      scope: 'notes:read',
    });
    expect(body.refresh_token).toEqual(expect.any(String));
  });

  it('do not bar their client from stepping up', async () => {
    const client = new Client(server.issuer, HTTPS_ID);
    const { body } = await client.exchange(
      await new Browser().signInAndAllow(client.authorizationUrl({ scope: 'notes:write' })),
    );
    expect(body.scope).toBe('notes:write');
  });

  it('are refused where they name another client', async () => {
    const page = await new Browser().open(
      new Client(server.issuer, 'https://notes.example/copy.json').authorizationUrl(),
    );
    expect(page.status).toBe(400);
    expect(page.text).toContain('does not match');
  });

  describe('on a loopback host', () => {
    let host: LoopbackServer;
    let origin: string;
    let answer: { status: number; headers?: Record<string, string>; body: unknown };
    let handle: RequestListener;
    let fetched: number;

    beforeEach(async () => {
      fetched = 0;
      handle = (_request, response) => {
        fetched += 1;
        response.writeHead(answer.status, answer.headers).end(JSON.stringify(answer.body));
      };
      host = await LoopbackServer.start((request, response) => handle(request, response));
      origin = host.origin;
    });
    afterEach(() => host.close());

    it('work by http, and their URL is on the consent page', async () => {
      const id = `${origin}/client.json`;
      answer = { status: 200, body: documentOf(id) };
      const client = new Client(server.issuer, id);
      const browser = new Browser();
      const consent = await browser.submit(
        await browser.open(client.authorizationUrl({ scope: 'notes:read' })),
        'login',
        {
          username: 'bob',
          password: 'bob',
        },
      );
      expect(consent.text).toContain(`<code>${id}</code>`);
      const { body } = await client.exchange(await browser.submit(consent, 'confirm'));
      expect((await verify(body.access_token, server.issuer)).payload).toMatchObject({ client_id: id, sub: 'bob' });
      expect(fetched).toBe(1);
    });

    it.each([
      ['naming another client', () => ({ status: 200, body: documentOf(`${origin}/another.json`) })],
      [
        'with a secret',
        () => ({ status: 200, body: { ...documentOf(`${origin}/client.json`), client_secret: 'public' } }),
      ],
      [
        'with a method that needs a secret',
        () => ({
          status: 200,
          body: { ...documentOf(`${origin}/client.json`), token_endpoint_auth_method: 'client_secret_post' },
        }),
      ],
      ['that is not an object', () => ({ status: 200, body: [documentOf(`${origin}/client.json`)] })],
      ['that is not there', () => ({ status: 404, body: {} })],
      ['behind a redirect', () => ({ status: 302, headers: { location: '/elsewhere.json' }, body: {} })],
      [
        'that is too long',
        () => ({ status: 200, body: { ...documentOf(`${origin}/client.json`), padding: 'x'.repeat(65 * 1024) } }),
      ],
      [
        'with a redirect URI that no client may have',
        () => ({
          status: 200,
          body: { ...documentOf(`${origin}/client.json`), redirect_uris: ['javascript:alert(1)'] },
        }),
      ],
    ])('are refused, on an error page: one %s', async (_what, makeAnswer) => {
      answer = makeAnswer();
      const page = await new Browser().open(new Client(server.issuer, `${origin}/client.json`).authorizationUrl());
      expect({ status: page.status, origin: page.url.origin }).toEqual({ status: 400, origin: server.issuer });
    });

    it.each(['http://notes.example/client.json', 'http://127.0.0.1.notes.example/client.json'])(
      'are not fetched by http from elsewhere: %s',
      async (id) => {
        const page = await new Browser().open(new Client(server.issuer, id).authorizationUrl());
        expect(page.text).toContain('client not found');
      },
    );

    it.each([
      ['is endless', (response: ServerResponse): void => void Readable.from(endless()).pipe(response)],
      ['stops in the middle', (response: ServerResponse): void => void response.write('{"client_id":')],
    ])('are given up, on an error page: one that %s', async (_what, respond) => {
      const closed = new Promise((resolve) => {
        handle = (_request, response) => {
          response.on('close', resolve);
          respond(response);
        };
      });
      const page = await new Browser().open(new Client(server.issuer, `${origin}/client.json`).authorizationUrl());
      expect(page.status).toBe(400);
      await closed;
    });

    it('are not fetched from a URL without a path', async () => {
      await new Browser().open(new Client(server.issuer, `${origin}/`).authorizationUrl());
      expect(fetched).toBe(0);
    });
  });
});
