import type { TestIssuer } from 'nestjs-mcp-auth/testing';
import type { NotesServer } from './notes-server.js';

/** Who asks for what alice made; only she is to get it. */
export const ASKERS = [
  { name: 'the owner', isOwner: true },
  { name: 'the owner with a new token', isOwner: true },
  { name: 'the owner with another client', isOwner: true },
  { name: 'the owner through another party that acts for her', isOwner: true },
  { name: 'another principal', isOwner: false },
  { name: 'the same subject of another issuer', isOwner: false },
  { name: 'a client whose id is the subject', isOwner: false },
] as const;
export type Asker = (typeof ASKERS)[number];

/** A token of each of them, with the same scopes. */
export async function tokenOf({ name }: Asker, server: NotesServer, other: TestIssuer, scope: string): Promise<string> {
  switch (name) {
    case 'the owner':
      return server.mint({ sub: 'alice', scope });
    case 'the owner with a new token':
      return server.mint({ sub: 'alice', scope: `${scope} more`, jti: 'new' });
    case 'the owner with another client':
      return server.mint({ sub: 'alice', scope, client_id: 'registered-anew' });
    case 'the owner through another party that acts for her':
      return server.mint({ sub: 'alice', scope, act: { sub: 'agent' } });
    case 'another principal':
      return server.mint({ sub: 'bob', scope });
    case 'the same subject of another issuer':
      return other.mint({ aud: server.resource, sub: 'alice', scope });
    case 'a client whose id is the subject':
      return server.mint({ sub: undefined, client_id: 'alice', scope });
  }
}
