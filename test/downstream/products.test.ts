import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { entraId, keycloak, okta, type DownstreamOptions, type IssuerPreset } from 'nestjs-mcp-auth';
import type { TestIssuer } from 'nestjs-mcp-auth/testing';
import { AUDIENCE, startDownstreamServer, textOfTool, type DownstreamServer } from '../support/downstream-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { TENANT } from '../products/products.js';

/** A product that is served by a test issuer, and reached at its own URL by the option `fetch`. */
interface Served {
  readonly preset: IssuerPreset;
  readonly calendar: Partial<DownstreamOptions>;
  /** What the library must send, without any grant in the options. */
  readonly sent: Readonly<Record<string, string>>;
}

const EXCHANGED = {
  grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
  subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
  audience: AUDIENCE,
};

const PRODUCTS: Readonly<Record<string, Served>> = {
  Keycloak: {
    preset: keycloak({ url: 'https://login.example.com', realm: 'main' }),
    calendar: {},
    sent: { ...EXCHANGED, scope: 'calendar.read' },
  },
  Okta: {
    preset: okta({ domain: 'acme.okta.com' }),
    calendar: {},
    sent: { ...EXCHANGED, scope: 'calendar.read' },
  },
  'Entra ID': {
    preset: entraId({ tenantId: TENANT }),
    calendar: { audience: undefined as never, scopes: [`${AUDIENCE}/.default`] },
    sent: {
      grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
      requested_token_use: 'on_behalf_of',
      scope: `${AUDIENCE}/.default`,
    },
  },
};

/** Claims of a user, by the names that these products have for them. */
const CLAIMS = { scp: 'a', azp: 'test-client', cid: 'test-client', uid: 'ada' };

/** Sends requests for the product to the test issuer, whose answers name the product instead of itself. */
function relayTo(issuer: () => TestIssuer, product: string): typeof fetch {
  return async (input, init) => {
    const { origin } = new URL(issuer().issuer);
    const response = await fetch(String(input).replace(product, origin), init);
    const text = (await response.text()).replaceAll(origin, product);
    return new Response(text, { status: response.status, headers: response.headers });
  };
}

async function startServer(
  platform: (typeof PLATFORMS)[number],
  { preset, calendar }: Served,
): Promise<DownstreamServer> {
  const { origin, pathname } = new URL(preset.issuer);
  const server: DownstreamServer = await startDownstreamServer(platform, {
    calendar: { grant: undefined as never, ...calendar },
    issuer: { alg: 'RS256', path: pathname, wellKnown: ['oidc-append'] },
    options: {
      authorizationServers: [preset],
      fetch: relayTo(() => server.issuer, origin),
      checkAuthorizationServers: false,
    },
  });
  return server;
}

describe.each(PLATFORMS)('Tokens for an API from a known product, on %s', (platform) => {
  it.each(Object.entries(PRODUCTS))('LIB-29: %s needs no grant in the options', async (_name, product) => {
    const server = await startServer(platform, product);
    try {
      const token = await server.mint({ ...CLAIMS, iss: product.preset.issuer });
      const response = await server.callTool('events', token);
      expect(await textOfTool(response)).toMatch(/^200 \{"owner":/);
      const sent = server.issuer.requests
        .filter(({ endpoint }) => endpoint === 'token')
        .map(({ body }) => new URLSearchParams(body));
      expect(sent).toHaveLength(1);
      expect(Object.fromEntries(sent[0]!)).toMatchObject(product.sent);
      expect(sent[0]!.get('subject_token') ?? sent[0]!.get('assertion')).toBe(token);
    } finally {
      await server.close();
    }
  });
});

const refusal =
  (error: string, suberror?: string): (() => Response) =>
  () =>
    Response.json({ error, error_description: 'AADSTS65001: canary', suberror }, { status: 400 });

describe.each(PLATFORMS)('What Entra ID refuses, on %s', (platform) => {
  const entra = PRODUCTS['Entra ID']!;
  let server: DownstreamServer;
  beforeAll(async () => {
    server = await startServer(platform, entra);
  });
  afterAll(() => server.close());
  beforeEach(() => {
    server.log.length = 0;
    server.clock.now += 61_000;
  });

  const logOf = async (answer: (() => Response) | undefined): Promise<string> => {
    server.issuer.answerToken = answer;
    await server.callTool('events', await server.mint({ ...CLAIMS, iss: entra.preset.issuer }));
    return server.log.join('\n');
  };

  it.each([
    ['another application', refusal('invalid_grant'), 'it takes tokens of users only'],
    ['a missing consent', refusal('invalid_grant', 'consent_required'), 'nobody can consent in between'],
    ['a wrong scope', refusal('invalid_scope'), 'write scopes of one API'],
    ['an application without the grant', refusal('unauthorized_client'), 'it has jwt-bearer (on behalf of) without'],
  ])('LIB-29: tells the operator what to do about %s', async (_what, answer, advice) => {
    expect(await logOf(answer)).toContain(`. Entra ID: ${advice}`);
  });

  it('LIB-29: tells it by the error codes, not by the number in the description', async () => {
    expect(await logOf(refusal('invalid_client'))).not.toContain('Entra ID: ');
  });

  it('LIB-29: says nothing of a missing consent once a caller has got a token', async () => {
    await logOf(undefined);
    server.log.length = 0;
    server.clock.now += 61_000;
    expect(await logOf(refusal('invalid_grant', 'consent_required'))).not.toContain('What to do');
  });
});
