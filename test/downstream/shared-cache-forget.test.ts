import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { McpAuthRevocations } from 'nestjs-mcp-auth';
import { DownstreamReplicas } from '../support/downstream-replicas.js';
import type { DownstreamServer } from '../support/downstream-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { SharedDownstreamTokens } from '../support/shared-downstream-tokens.js';
import { SharedRevocations } from '../support/shared-revocations.js';
import { eventually } from '../support/until.js';

const CHECK_MS = 10_000;

describe.each(PLATFORMS)('Forgetting tokens for APIs that two replicas share, on %s', (platform) => {
  let store: SharedDownstreamTokens;
  let replicas: DownstreamReplicas;
  let one: DownstreamServer;
  let other: DownstreamServer;
  beforeEach(async () => {
    store = new SharedDownstreamTokens();
    replicas = await DownstreamReplicas.start(platform, [store, store], {
      options: { revocation: { store: new SharedRevocations() }, clockToleranceSeconds: 2 },
    });
    ({ one, other } = replicas);
  });
  afterEach(() => replicas.close());

  const share = async (caller: string): Promise<string> => {
    const before = store.count('set');
    const token = await replicas.tokenAt(one, caller);
    await eventually(() => expect(store.count('set')).toBe(before + 1));
    return token;
  };

  it('holds at the other replica, and for one user only', async () => {
    const [ada, bob] = [await replicas.mint('ada'), await replicas.mint('bob')];
    const tokens = [await share(ada), await share(bob)];
    await replicas.forgetAt(other, 'ada');
    expect(await replicas.tokenAt(other, ada)).not.toBe(tokens[0]);
    expect(await replicas.tokenAt(other, bob)).toBe(tokens[1]);
    expect(replicas.requested).toBe(3);
  });

  it('holds within ten seconds at a replica that has the token in memory', async () => {
    const [ada, bob] = [await replicas.mint('ada'), await replicas.mint('bob')];
    const tokens = [await share(ada), await share(bob)];
    await replicas.forgetAt(other, 'ada');
    replicas.advance(CHECK_MS);
    expect(await replicas.tokenAt(one, ada)).not.toBe(tokens[0]);
    expect(await replicas.tokenAt(one, bob)).toBe(tokens[1]);
    expect(await replicas.tokenAt(other, ada)).toBe(await replicas.tokenAt(one, ada));
    expect(replicas.requested).toBe(3);
  });

  it('holds for a token that is being requested at the other replica', async () => {
    const ada = await replicas.mint('ada');
    let forgotten: Promise<void> | undefined;
    replicas.issuer.answerToken = (right) => {
      forgotten = replicas.forgetAt(other, 'ada');
      return right;
    };
    const token = await share(ada);
    replicas.issuer.answerToken = undefined;
    await expect(forgotten).resolves.toBeUndefined();
    expect(await replicas.tokenAt(other, ada)).not.toBe(token);
    replicas.advance(CHECK_MS);
    expect(await replicas.tokenAt(one, ada)).not.toBe(token);
  });

  it('holds after the store has lost everything', async () => {
    const ada = await replicas.mint('ada');
    const token = await share(ada);
    store.generations.clear();
    expect(await replicas.tokenAt(other, ada)).not.toBe(token);
  });

  it('rejects while the store fails; this replica takes nothing from there until the store has confirmed it', async () => {
    const ada = await replicas.mint('ada');
    const token = await share(ada);
    store.instead = (call) => {
      if (call === 'forget') throw new Error('read-only');
      return undefined;
    };
    await expect(replicas.forgetAt(one, 'ada')).rejects.toThrow(/other replicas may still use/i);
    const second = await replicas.tokenAt(one, ada);
    expect(second).not.toBe(token);
    expect(store.content).not.toBe('');
    expect(one.log.join('\n')).toContain('read-only');
    store.instead = () => undefined;
    replicas.advance(2 * CHECK_MS);
    await replicas.tokenAt(one, ada);
    expect(store.count('forget')).toBeGreaterThan(2);
    expect(await replicas.tokenAt(other, ada)).not.toBe(token);
  });

  it('a failure that nobody waits for does not end the process', async () => {
    store.instead = () => Promise.reject(new Error('down'));
    void replicas.forgetAt(one, 'ada');
    await eventually(() => expect(one.log.join('\n')).toContain('down'));
    await new Promise(setImmediate);
  });

  it('LIB-27: nobody gets the token of a revoked caller at the other replica, and a new sign-in gets a new one', async () => {
    const ada = await replicas.mint('ada');
    const token = await share(ada);
    expect(await replicas.tokenAt(other, ada)).toBe(token);
    await one.app.get(McpAuthRevocations).revoke({ principal: { issuer: replicas.issuer.issuer, subject: 'ada' } });
    replicas.advance(10_000);
    await eventually(async () => {
      for (const replica of [one, other])
        expect((await replica.callTool('token', ada, { name: 'calendar' })).status).toBe(401);
    });
    const again = await replicas.mint('ada');
    for (const replica of [other, one]) expect(await replicas.tokenAt(replica, again)).not.toBe(token);
  });
});
