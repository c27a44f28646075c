import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { startNotesServer, type NotesServer } from './notes-server.js';
import type { Platform } from './platforms.js';

/** An issuer with everything in it that a URL parser would change, were one used to compare. */
export const NAMED_ISSUER = 'https://login.example.com/Realms/main';

/** A notes server and its issuer, with a second issuer that it trusts under the profile `rfc9068`. */
interface TwoProfiles {
  readonly server: NotesServer;
  readonly strict: TestIssuer;
  /** Mints a token of the second issuer. */
  readonly mintStrict: TestIssuer['mint'];
  close(): Promise<void>;
}

/** The server also trusts an issuer whose identifier ends in a slash, and {@link NAMED_ISSUER}. */
export async function startWithSlashedIssuer(
  platform: Platform,
): Promise<TwoProfiles & { readonly slashed: TestIssuer }> {
  const now = (): number => server.clock.now;
  const [issuer, strict, slashed] = await Promise.all([
    TestIssuer.start({ alg: 'ES256', now }),
    TestIssuer.start({ alg: 'ES256', now }),
    TestIssuer.start({ alg: 'ES256', now, path: '/tenant/' }),
  ]);
  const server = await startNotesServer(platform, {
    sharedIssuer: issuer,
    options: {
      authorizationServers: [
        issuer.issuer,
        { issuer: strict.issuer, profile: 'rfc9068' },
        slashed.issuer,
        { issuer: NAMED_ISSUER, jwks: { keys: [issuer.key.publicJwk] } },
      ],
    },
  });
  return { slashed, ...twoProfiles(server, strict, [slashed]) };
}

/** The server does not trust the third issuer, which counts the requests it gets. The second may sign with ES256 only. */
export async function startWithStranger(platform: Platform): Promise<TwoProfiles & { readonly stranger: TestIssuer }> {
  const now = (): number => server.clock.now;
  const strict = await TestIssuer.start({ alg: 'ES256', now });
  const stranger = await TestIssuer.start({ alg: 'ES256', now });
  const issuer = await TestIssuer.start({ alg: 'ES256', now });
  const pinned = { issuer: strict.issuer, profile: 'rfc9068' as const, algorithms: ['ES256'] };
  const server = await startNotesServer(platform, {
    sharedIssuer: issuer,
    options: { authorizationServers: [issuer.issuer, pinned] },
  });
  return { stranger, ...twoProfiles(server, strict, [stranger]) };
}

function twoProfiles(server: NotesServer, strict: TestIssuer, others: readonly TestIssuer[]): TwoProfiles {
  return {
    server,
    strict,
    mintStrict: (claims, options) => strict.mint({ aud: server.resource, ...claims }, options),
    async close() {
      await server.close();
      await Promise.all([server.issuer, strict, ...others].map((issuer) => issuer.close()));
    },
  };
}
