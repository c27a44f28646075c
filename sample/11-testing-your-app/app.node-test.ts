import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startAppUnderTest } from './app-under-test.js';

/** The same with the test runner of Node.js, on the compiled application: the testing kit works with any runner. */
describe('the notes server', () => {
  let server: Awaited<ReturnType<typeof startAppUnderTest>>;

  before(async () => {
    server = await startAppUnderTest();
  });
  after(() => server.close());

  it('lists notes for callers with notes:read', async () => {
    const token = await server.issuer.mint({ scope: 'notes:read' });
    const { status, result } = await server.call('list-notes', token);
    assert.deepEqual({ status, result }, { status: 200, result: { notes: [] } });
  });

  it('refuses to write without notes:write', async () => {
    const token = await server.issuer.mint({ scope: 'notes:read' });
    const { status, challenge } = await server.call('add-note', token, { text: 'Buy milk' });
    assert.equal(status, 403);
    assert.equal(challenge?.scope, 'notes:read notes:write');
  });

  it('refuses a token that has expired', async () => {
    const { status } = await server.call('list-notes', await server.issuer.mint({ scope: 'notes:read', exp: 0 }));
    assert.equal(status, 401);
  });
});
