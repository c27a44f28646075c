import 'reflect-metadata';
import { afterEach, describe, expect, it } from '@jest/globals';
import { McpController, Tool } from '@rekog/mcp-nest';
import { RequireProof, type McpAuthModuleOptions, type ReplayStore } from 'nestjs-mcp-auth';
import { TEST_PROOF_FAULTS, TestDpopKey, type TestProofHeaders } from 'nestjs-mcp-auth/testing';
import { startDpopServer, type DpopServer } from '../support/dpop-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { bearer } from '../support/rpc.js';

/** The code of docs/guides/dpop.md, and what the page says of it. */

/** Stands for the client of a store that all replicas reach. */
const cache = {
  keys: new Set<string>(),
  isDown: false,
  async set(key: string, _value: '1', _options: { condition: 'NX'; expiresAt: number }): Promise<'OK' | null> {
    if (cache.isDown) throw new Error('the store is down');
    if (cache.keys.has(key)) return Promise.resolve(null);
    cache.keys.add(key);
    return Promise.resolve('OK');
  },
};

// #region store
class SharedReplays implements ReplayStore {
  async insertOnce(key: string, until: number): Promise<boolean> {
    const isNew = await cache.set(`dpop:${key}`, '1', { condition: 'NX', expiresAt: until });
    return isNew !== null;
  }
}
// #endregion

@McpController()
class DangerousTools {
  // #region require
  @Tool({ name: 'delete-all', description: 'Delete all notes' })
  @RequireProof()
  deleteAll(): object {
    // #endregion
    return { content: [{ type: 'text', text: 'deleted' }] };
  }
}

function withNonces(): Partial<McpAuthModuleOptions> {
  process.env['DPOP_NONCE_SECRET'] = '0123456789abcdef0123456789abcdef';
  return {
    // #region nonce
    dpop: { mode: 'required', nonce: { secret: process.env['DPOP_NONCE_SECRET'] ?? '' } },
    // #endregion
  };
}

describe.each(PLATFORMS)('docs/guides/dpop.md on %s', (platform) => {
  const started: DpopServer[] = [];
  const start = async (options: Partial<McpAuthModuleOptions>): Promise<DpopServer> => {
    const dpop = await startDpopServer(platform, options, { controllers: [DangerousTools] });
    started.push(dpop);
    return dpop;
  };
  const callBound = async ({ mintBound, call, proof }: DpopServer, tool: string): Promise<Response> => {
    const token = await mintBound();
    return call({ authorization: `DPoP ${token}`, dpop: proof(token) }, tool);
  };

  afterEach(async () => {
    cache.isDown = false;
    for (const { close } of started.splice(0)) await close();
  });

  it('lets a tool require a proof', async () => {
    const dpop = await start({
      // #region options
      dpop: 'accepted',
      // #endregion
    });
    const answer = await callBound(dpop, 'delete-all');
    expect([answer.status, await answer.text()]).toEqual([200, expect.stringContaining('deleted')]);
    expect((await dpop.call(bearer(await dpop.server.mint()), 'delete-all')).status).toBe(401);
  });

  it('makes proofs in tests', async () => {
    const audience = 'https://notes.example/mcp';
    const settings = { issuer: { alg: 'ES256', audience } } as const;
    const dpop = await startDpopServer(platform, { dpop: 'required', audience }, settings);
    started.push(dpop);
    const { issuer, resource } = dpop.server;
    // #region test
    const key = await TestDpopKey.generate();
    const token = await issuer.mint({ cnf: key.confirmation });
    const headers = key.headers({ method: 'POST', url: resource, token });
    // #endregion
    expect((await dpop.call({ ...headers })).status).toBe(200);
    expect((await dpop.call({ ...headers, DPoP: 'x' })).status).toBe(401);
    const call = (fields: TestProofHeaders): Promise<Response> => dpop.call({ ...fields });
    // #region faults
    for (const fault of TEST_PROOF_FAULTS) {
      const response = await call(key.headers({ method: 'POST', url: resource, token, fault }));
      expect(response.status).toBe(401);
    }
    // #endregion
  });

  it('remembers used proofs in the store, and refuses with 503 while it is down', async () => {
    const replayStore = new SharedReplays();
    const one = await start({ dpop: { replayStore } });
    const token = await one.mintBound();
    const headers = { authorization: `DPoP ${token}`, dpop: one.proof(token) };
    expect((await one.call(headers)).status).toBe(200);
    expect(cache.keys.size).toBeGreaterThan(0);
    expect((await one.call(headers)).status).toBe(401);
    cache.isDown = true;
    const down = await callBound(one, 'ping');
    expect([down.status, down.headers.get('retry-after')]).toEqual([503, '5']);
    expect((await one.call(bearer(await one.server.mint()))).status).toBe(200);
  });

  it('asks for a nonce', async () => {
    const dpop = await start(withNonces());
    const token = await dpop.mintBound();
    const first = await dpop.call({ authorization: `DPoP ${token}`, dpop: dpop.proof(token) });
    expect([first.status, first.headers.get('www-authenticate')]).toEqual([
      401,
      expect.stringContaining('error="use_dpop_nonce"'),
    ]);
    const nonce = first.headers.get('dpop-nonce') as string;
    const second = await dpop.call({ authorization: `DPoP ${token}`, dpop: dpop.proof(token, { nonce }) });
    expect(second.status).toBe(200);
  });
});
