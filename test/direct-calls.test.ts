import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { resetRecorded } from './support/expectations.js';
import { startNotesServer, type NotesServer } from './support/notes-server.js';
import { PLATFORMS } from './support/platforms.js';
import {
  ran,
  Handlers,
  FAILURE,
  PatternHandlers,
  BridgedHandlers,
  LIST,
  type Method,
  SETTINGS,
  call,
} from './support/direct-calls.js';

const AS_WRITTEN = [Handlers.prototype.plain, PatternHandlers.prototype.pattern, BridgedHandlers.prototype.bridged];

describe.each(PLATFORMS)('handlers that an MCP framework calls as plain methods, on %s', (platform) => {
  let server: NotesServer;

  beforeAll(async () => {
    server = await startNotesServer(platform, SETTINGS);
  });
  afterAll(() => server.close());
  beforeEach(() => {
    resetRecorded(server);
    ran.length = 0;
  });

  it.each([
    ['scoped', 'a', 'a b'],
    ['per-request', 'b', 'a'],
    ['made', 'b', 'a'],
    ['on-controller', 'b', 'a'],
  ])('decides about %s before dispatch', async (name, scope, needed) => {
    const { status, challenge } = await call(server, name, { token: await server.mint({ scope }) });
    expect({ status, challenge }).toEqual({ status: 403, challenge: expect.stringContaining(`scope="${needed}"`) });
    expect(ran).toEqual([]);
  });

  it.each([
    ['scoped', 'a b'],
    ['per-request', 'a'],
    ['made', 'a'],
    ['on-controller', 'a'],
    ['derived', 'b'],
    ['derived-once-more', 'c'],
    ['guarded', undefined],
  ])('refuses %s at the handler where it is reached around the guard', async (name, needed) => {
    const { status, result } = await call(server, name, { path: 'around' });
    expect(status).toBe(200);
    expect(result).toMatchObject({ isError: true, content: [{ text: 'Authorization is required.' }] });
    const [challenge] = result?._meta?.['mcp/www_authenticate'] ?? [];
    expect(challenge?.includes('scope=')).toBe(needed !== undefined);
    if (needed !== undefined) expect(challenge).toContain(`scope="${needed}"`);
    expect(ran).toEqual([]);
  });

  it('refuses prompts there as errors, since only tools have results that say so', async () => {
    const { error } = await call(server, 'prompt', { path: 'around', method: 'prompts/get' });
    expect(error?.message).toBe('Authorization is required.');
    expect(ran).toEqual([]);
  });

  it('decides at the handler about what was taken for something else before, and answers with 403', async () => {
    const token = await server.mint({ scope: 'a' });
    const { status, challenge } = await call(server, 'unseen-scoped', { token });
    expect({ status, challenge }).toEqual({ status: 403, challenge: expect.stringContaining('scope="a b"') });
    expect(ran).toEqual([]);
    await call(server, 'unseen-scoped', { token: await server.mint({ scope: 'a b' }) });
    expect(ran).toEqual(['scoped']);
  });

  it('tells policies the operation and its arguments at the handler too', async () => {
    const token = await server.mint({ scope: 'by-argument:x' });
    expect((await call(server, 'unseen-by-argument', { token, args: { scope: 'y' } })).status).toBe(403);
    expect(ran).toEqual([]);
    await call(server, 'unseen-by-argument', { token, args: { scope: 'x' } });
    expect(ran).toEqual(['by-argument']);
  });

  it('runs what the caller may do as the framework calls it, with the caller known below', async () => {
    const { result } = await call(server, 'scoped', {
      token: await server.mint({ scope: 'a b' }),
      args: { text: 'milk' },
    });
    expect(result).toEqual({ args: { text: 'milk' }, isContext: true, request: 'alice', service: 'alice' });
  });

  it('injects the caller in the place of what the client sent', async () => {
    const { result } = await call(server, 'injected', {
      token: await server.mint({ scope: 'a' }),
      args: { subject: 'mallory' },
    });
    expect(result).toEqual({ subject: 'alice', scopes: ['a'] });
  });

  it('injects nothing, rather than what the client sent, where nobody was let in', async () => {
    const { result } = await call(server, 'injected', { path: 'around', args: { subject: 'mallory' } });
    expect(result).toEqual({ subject: null, scopes: null });
  });

  it('serves request-scoped providers, each call with an instance of its own', async () => {
    const { result } = await call(server, 'per-request', { token: await server.mint({ scope: 'a' }) });
    expect(result).toEqual({ subject: 'alice', hasRequest: true });
  });

  it('checks an inherited handler by the class it is reached at', async () => {
    const token = await server.mint({ scope: 'b' });
    await call(server, 'base', { token });
    await call(server, 'derived', { token });
    expect(ran).toEqual(['inherited', 'inherited']);
    expect((await call(server, 'derived-once-more', { token })).challenge).toContain('scope="c"');
    expect(ran).toEqual(['inherited', 'inherited']);
  });

  it('answers 403 naming the scopes that a handler itself finds missing', async () => {
    const { status, challenge, result } = await call(server, 'raising', { token: await server.mint({ scope: 'a' }) });
    expect({ status, challenge }).toEqual({ status: 403, challenge: expect.stringContaining('scope="a late"') });
    expect(result).toMatchObject({ isError: true });
  });

  it('leaves other errors to the framework', async () => {
    expect((await call(server, 'failing', { token: await server.mint({ scope: 'a' }) })).error?.message).toBe(
      FAILURE.message,
    );
  });

  it('corrects what the framework says a tool needs, in both places, of the tools it knows', async () => {
    const { result } = await call(server, '', { token: await server.mint(), method: 'tools/list' });
    const securitySchemes = [{ type: 'oauth2', scopes: ['a', 'b'] }];
    expect(result).toEqual({ tools: [{ name: 'scoped', securitySchemes, _meta: { securitySchemes } }, LIST.tools[1]] });
  });

  it('lets run what declares nothing, wherever it is reached', async () => {
    expect((await call(server, 'plain', { path: 'around', args: { any: 'thing' } })).result).toEqual({
      args: { any: 'thing' },
    });
  });

  it('does not take the request that a framework hands over for that of the call', async () => {
    const request = { auth: { subject: 'alice', scopes: ['a', 'b'] } };
    const instance = server.app.get(Handlers) as unknown as Record<string, Method>;
    const answer = await instance['scoped']?.({}, { mcpRequest: { method: 'tools/call' } }, request);
    expect(answer).toMatchObject({ isError: true });
    expect(ran).toEqual([]);
  });
});

describe('what stands in for a handler', () => {
  let server: NotesServer;

  beforeAll(async () => {
    server = await startNotesServer('express', SETTINGS);
  });
  afterAll(() => server.close());
  beforeEach(() => {
    ran.length = 0;
  });

  it('is nothing where nothing was declared, or where Nest calls the handler', () => {
    expect([Handlers.prototype.plain, PatternHandlers.prototype.pattern, BridgedHandlers.prototype.bridged]).toEqual(
      AS_WRITTEN,
    );
  });

  it('bears the name and the metadata of the handler, by which frameworks find it', () => {
    const { scoped } = Handlers.prototype;
    expect(scoped.name).toBe('scoped');
    expect(Reflect.getOwnMetadataKeys(scoped)).toEqual(expect.arrayContaining(['mcp:tool', '__guards__']));
    expect(Object.keys(Handlers.prototype)).toEqual([]);
  });

  it('decides by the application that let the caller in, where several use the class', async () => {
    const scopes = { hierarchy: { all: ['a', 'b'] } };
    const other = await startNotesServer('express', { ...SETTINGS, options: { scopes } });
    const calls = [
      call(server, 'unseen-scoped', { token: await server.mint({ scope: 'all' }) }),
      call(other, 'unseen-scoped', { token: await other.mint({ scope: 'all' }) }),
    ];
    expect((await Promise.all(calls)).map(({ status }) => status)).toEqual([403, 200]);
    await other.close();
  });
});
