import { beforeEach, describe, expect, it } from '@jest/globals';
import { McpAuthError, type McpAuthInfo } from 'nestjs-mcp-auth';
import type { AccessRequest } from '../../lib/authorization/access-request.js';
import { Authenticator } from '../../lib/authorization/authenticator.js';
import { invalidToken } from '../../lib/core/error.js';
import type { CertificateBinding } from '../../lib/proof/certificate-binding.js';
import type { ProofOfPossession } from '../../lib/proof/proof-of-possession.js';
import type { HeaderSource } from '../../lib/request/header-fields.js';
import type { HttpRequest } from '../../lib/request/http-message.js';
import { ResourceCredential, ResourceCredentials } from '../../lib/resource-servers/resource-credentials.js';
import type { ResourceServer } from '../../lib/resource-servers/resource-servers.js';
import type { Revocations } from '../../lib/revocation/revocations.js';

// Who sends a request: which check each kind of credential meets, and what refuses it.

const verifiedAs = (subject: string): object => ({
  issuer: 'https://issuer.example',
  subject,
  clientId: 'client',
  scopes: [],
  audience: [],
  claims: {},
  expiresAt: 1,
});
const PROOF = { method: 'dpop', keyThumbprint: 'key', certificateThumbprint: undefined };

/** What each part was asked, in order. */
let asked: unknown[];
/** What each part does; it may throw. */
let parts: {
  verify: (token: string) => unknown;
  verifyKey: (key: string) => unknown;
  certificate: string | undefined;
  bearer: () => void;
  admit: (caller: McpAuthInfo) => unknown;
};
beforeEach(() => {
  asked = [];
  parts = {
    verify: () => verifiedAs('alice'),
    verifyKey: () => verifiedAs('machine'),
    certificate: undefined,
    bearer: () => {},
    admit: (caller) => caller,
  };
});

const resource = { identifier: { value: 'https://mcp.example.com/mcp' }, dpop: {} };
const keys = {
  verify: (key: string) => {
    asked.push(['key', key]);
    return parts.verifyKey(key);
  },
};
const server = {
  resource,
  verifier: {
    verify: (token: string) => {
      asked.push(['token', token]);
      return parts.verify(token);
    },
  },
  credentials: new ResourceCredentials([
    new ResourceCredential('api-key', 'x-api-key', undefined, keys as never),
    new ResourceCredential('prefixed', undefined, 'sk-', keys as never),
  ]),
} as unknown as ResourceServer;

const authenticator = new Authenticator(
  {
    checkBearer: (verified: unknown, at: unknown) => {
      asked.push(['bearer', verified, at]);
      parts.bearer();
    },
    checkDpop: async (credentials: unknown) => {
      asked.push(['dpop', credentials]);
      return PROOF;
    },
  } as unknown as ProofOfPossession,
  {
    check: (verified: unknown, at: unknown, shown: unknown) => {
      asked.push(['certificate', verified, at, shown]);
      return parts.certificate;
    },
  } as unknown as CertificateBinding,
  {
    admit: (caller: McpAuthInfo) => {
      asked.push(['admit', caller.subject]);
      return parts.admit(caller);
    },
  } as unknown as Revocations,
);

const request = { method: 'POST' } as HttpRequest;
const sourceOf = (...rawHeaders: string[]): HeaderSource => {
  const pairs = rawHeaders.flatMap((name, at) => (at % 2 === 0 ? [[name.toLowerCase(), rawHeaders[at + 1]]] : []));
  return { rawHeaders, headers: Object.fromEntries(pairs) };
};
const accessTo = (at: ResourceServer = server, isOpen = false): AccessRequest =>
  ({ server: at, isOpen, scheme: 'Bearer' }) as unknown as AccessRequest;
const sentWith = async (headers: string[], access = accessTo()): Promise<McpAuthInfo | undefined> =>
  authenticator.authenticate(sourceOf(...headers), access, request);
const refusal = async (work: () => unknown): Promise<McpAuthError> => {
  try {
    await work();
  } catch (error) {
    if (error instanceof McpAuthError) return error;
    throw error;
  }
  throw new Error('the credentials were accepted');
};

describe('a request is refused', () => {
  it.each<[what: string, headers: string[], code: string, reason: string]>([
    ['without credentials', [], 'authorization_required', 'no_credentials'],
    ['with another scheme', ['Authorization', 'Basic eA=='], 'authorization_required', 'unsupported_scheme'],
    [
      'with two Authorization fields',
      ['Authorization', 'Bearer a', 'Authorization', 'Bearer b'],
      'invalid_request',
      'repeated_credentials',
    ],
    [
      'with a token and an API key',
      ['Authorization', 'Bearer a', 'X-Api-Key', 'b'],
      'invalid_request',
      'several_credentials',
    ],
    ['with a malformed token', ['Authorization', 'Bearer a b'], 'invalid_token', 'malformed_credentials'],
    ['with a malformed DPoP token', ['Authorization', 'DPoP a b'], 'invalid_token', 'malformed_credentials'],
  ])('%s, whatever it asks for', async (_what, headers, code, reason) => {
    const error = await refusal(() => sentWith(headers));
    expect([error.code, error.reason]).toEqual([code, reason]);
    if (headers.length > 0) {
      const open = await refusal(() => sentWith(headers, accessTo(server, true)));
      expect([open.code, open.reason]).toEqual([code, reason]);
    }
    expect(asked).toEqual([]);
  });

  it('with the scheme DPoP where the options do not name it, as with any other scheme', async () => {
    const access = accessTo({ ...server, resource: { ...resource, dpop: undefined } } as unknown as ResourceServer);
    for (const token of ['a', 'a b']) {
      const error = await refusal(() => sentWith(['Authorization', `DPoP ${token}`], access));
      expect([error.code, error.reason]).toEqual(['authorization_required', 'dpop_scheme']);
    }
    expect([access.scheme, asked]).toEqual(['Bearer', []]);
  });
});

describe('an access token', () => {
  it('needs none where the request is open to everybody', async () => {
    expect(await sentWith([], accessTo(server, true))).toBeUndefined();
  });

  it('that anybody may send is verified, and asked for what it is bound to, before it is admitted', async () => {
    const source = sourceOf('Authorization', 'Bearer a');
    const caller = await authenticator.authenticate(source, accessTo(), request);
    expect(caller).toMatchObject({ token: 'a', subject: 'alice', proof: undefined, credential: undefined });
    expect(asked).toEqual([
      ['token', 'a'],
      ['bearer', verifiedAs('alice'), resource],
      ['certificate', verifiedAs('alice'), resource, { source, request }],
      ['admit', 'alice'],
    ]);
  });

  it('is proven by the certificate that the client shows', async () => {
    parts.certificate = 'thumbprint';
    const caller = await sentWith(['Authorization', 'Bearer a']);
    expect(caller?.proof).toStrictEqual({
      method: 'mtls',
      keyThumbprint: undefined,
      certificateThumbprint: 'thumbprint',
    });
    expect(Object.isFrozen(caller?.proof)).toBe(true);
  });

  it('is proven by the key of the client with the scheme DPoP', async () => {
    parts.certificate = 'thumbprint';
    const access = accessTo();
    const source = sourceOf('Authorization', 'DPoP a');
    const caller = await authenticator.authenticate(source, access, request);
    expect([access.scheme, caller?.token, caller?.proof]).toEqual(['DPoP', 'a', PROOF]);
    const verified = verifiedAs('alice');
    expect(asked).toEqual([
      ['token', 'a'],
      ['certificate', verified, resource, { source, request }],
      ['dpop', { token: 'a', verified, resource, source, request, certificateThumbprint: 'thumbprint' }],
      ['admit', 'alice'],
    ]);
  });

  it('is answered as DPoP if it is malformed', async () => {
    const access = accessTo();
    await refusal(() => sentWith(['Authorization', 'DPoP a b'], access));
    expect(access.scheme).toBe('DPoP');
  });

  it('is verified without a request that could show a certificate', async () => {
    expect(await authenticator.verify('a', server)).toMatchObject({ token: 'a', subject: 'alice' });
    expect(asked[2]).toEqual(['certificate', verifiedAs('alice'), resource, undefined]);
  });

  it.each<[by: string, breakPart: () => void]>([
    ['the verifier', () => (parts.verify = () => Promise.reject(invalidToken('expired')))],
    [
      'what it is bound to',
      () =>
        (parts.bearer = () => {
          throw invalidToken('expired');
        }),
    ],
    ['a revocation', () => (parts.admit = () => Promise.reject(invalidToken('expired')))],
  ])('is refused by %s', async (_by, breakPart) => {
    breakPart();
    const error = await refusal(() => sentWith(['Authorization', 'Bearer a']));
    expect([error.code, error.reason]).toEqual(['invalid_token', 'expired']);
  });
});

describe('a credential of the application', () => {
  it.each([
    ['in a header field of its own', ['X-Api-Key', 'k'], 'api-key', 'k'],
    ['with a prefix among Bearer tokens', ['Authorization', 'Bearer sk-k'], 'prefixed', 'sk-k'],
  ] as const)('%s is verified by the application, and admitted', async (_where, headers, credential, key) => {
    const caller = await sentWith([...headers]);
    expect(caller).toMatchObject({ subject: 'machine', credential, proof: undefined });
    expect(caller?.token).not.toContain(key === 'k' ? ':k' : key);
    expect(asked).toEqual([
      ['key', key],
      ['admit', 'machine'],
    ]);
  });

  const seen = { issuer: 'https://issuer.example' };
  const cause = new Error('the cause');
  const refused = (): McpAuthError => invalidToken('credential_rejected', cause, seen);
  const throwing = (error: unknown) => (): never => {
    throw error;
  };
  const rejecting = (reason: unknown) => (): Promise<never> => Promise.reject(reason);
  it.each<[how: string, make: () => unknown]>([
    ['at once', throwing(refused())],
    ['later', rejecting(refused())],
  ])(
    'in a header field is refused %s without an error code, since the client has no token to renew',
    async (_how, verifyKey) => {
      parts.verifyKey = verifyKey;
      const error = await refusal(() => sentWith(['X-Api-Key', 'k']));
      expect([error.code, error.reason, error.cause]).toEqual(['authorization_required', 'credential_rejected', cause]);
      expect(error.seen).toEqual(refused().seen);
      const bearer = await refusal(() => sentWith(['Authorization', 'Bearer sk-k']));
      expect(bearer.code).toBe('invalid_token');
    },
  );

  it.each<[how: string, make: (error: unknown) => () => unknown]>([
    ['thrown', throwing],
    ['rejected', rejecting],
  ])('passes on every other error that is %s', async (_how, make) => {
    const errors = [
      new McpAuthError('temporarily_unavailable', 'revocations_unreadable'),
      new TypeError('a mistake of the application'),
      Object.assign(new Error('what looks like a refusal'), { code: 'invalid_token', seen: {} }),
    ];
    for (const error of errors) {
      parts.verifyKey = make(error);
      await expect(sentWith(['X-Api-Key', 'k'])).rejects.toBe(error);
    }
  });

  it('is not looked for in a header field that no credential of the resource has', async () => {
    const { headers } = server.credentials;
    const credentials = { headers, inHeader: () => undefined, ofToken: () => undefined };
    const access = accessTo({ ...server, credentials } as unknown as ResourceServer);
    const error = await refusal(() => sentWith(['X-Api-Key', 'k'], access));
    expect([error.code, error.reason]).toEqual(['authorization_required', 'no_credentials']);
  });
});
