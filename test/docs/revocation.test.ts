import 'reflect-metadata';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, Delete, Injectable, Module, Param } from '@nestjs/common';
import {
  McpAuthRevocations,
  RequireScopes,
  type McpAuthModuleOptions,
  type RevocationChanges,
  type RevocationStore,
  type StoredRevocation,
} from 'nestjs-mcp-auth';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { bearer } from '../support/rpc.js';
import { mintLogoutToken, sendLogout } from '../support/logout.js';
import { SharedRevocations } from '../support/shared-revocations.js';

/** The code of docs/guides/revocation.md, and what the page says of it. */

/** Stands for a store that all replicas reach. */
const table = new SharedRevocations();

@Injectable()
class TableRevocations implements RevocationStore {
  add(revocation: StoredRevocation): Promise<void> {
    return table.add(revocation);
  }

  changes(after: string | undefined): Promise<RevocationChanges> {
    return table.changes(after);
  }
}

const LOGIN = { issuer: '' };

// #region revoke
@Controller('users')
class UsersController {
  constructor(private readonly revocations: McpAuthRevocations) {}

  @Delete(':subject/tokens')
  @RequireScopes('users:suspend')
  async suspend(@Param('subject') subject: string): Promise<void> {
    await this.revocations.revoke({ principal: { issuer: LOGIN.issuer, subject } });
  }
}
// #endregion

function onOneProcess(): Partial<McpAuthModuleOptions> {
  return {
    // #region options
    revocation: {},
    // #endregion
  };
}

function onReplicas(store: TableRevocations): Partial<McpAuthModuleOptions> {
  return {
    // #region store
    revocation: { store },
    // #endregion
  };
}

function withLogout(): Partial<McpAuthModuleOptions> {
  return {
    // #region logout
    revocation: { backChannelLogout: { path: '/backchannel-logout', clientIds: ['mcp-client'] } },
    // #endregion
  };
}

@Module({ controllers: [UsersController] })
class UsersModule {}

describe.each(PLATFORMS)('docs/guides/revocation.md on %s', (platform) => {
  const running: NotesServer[] = [];
  afterEach(async () => {
    for (const server of running.splice(0)) await server.close();
  });

  it.each([
    ['one process', onOneProcess()],
    ['a store', onReplicas(new TableRevocations())],
  ])('cuts a user off, with %s', async (_what, options) => {
    const server = await startNotesServer(platform, { issuer: { alg: 'ES256' }, options, imports: [UsersModule] });
    running.push(server);
    LOGIN.issuer = server.issuer.issuer;
    const [user, operator] = [await server.mint({ sub: 'ann' }), await server.mint({ scope: 'users:suspend' })];
    expect((await server.callTool('ping', user)).status).toBe(200);
    const url = `${server.origin}/users/ann/tokens`;
    expect((await fetch(url, { method: 'DELETE', headers: bearer(user) })).status).toBe(403);
    expect((await fetch(url, { method: 'DELETE', headers: bearer(operator) })).status).toBe(200);
    expect((await server.callTool('ping', user)).status).toBe(401);
  });

  it('logs out whoever has logged out at the authorization server', async () => {
    const server = await startNotesServer(platform, { issuer: { alg: 'ES256' }, options: withLogout() });
    running.push(server);
    const token = await server.mint({ sid: 's1' });
    expect((await server.callTool('ping', token)).status).toBe(200);
    expect((await sendLogout(server.resource, await mintLogoutToken(server.issuer, { sid: 's1' }))).status).toBe(200);
    expect((await server.callTool('ping', token)).status).toBe(401);
  });
});
