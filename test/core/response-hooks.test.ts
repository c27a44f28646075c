import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { McpAuthError } from 'nestjs-mcp-auth';
import { readRpcBody } from '../../lib/request/rpc-body.js';
import { ResponseHooks } from '../../lib/response/response-hooks.js';

// What is done with each answer to an admitted request, before and when its head is written.

type Made = ConstructorParameters<typeof ResponseHooks>;
type Given = Parameters<ResponseHooks['attach']>;

interface Settings {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: unknown;
  readonly handlerError?: McpAuthError;
  readonly form?: string;
  /** Whether replicas share the owners of sessions. */
  readonly shares?: boolean;
  readonly isAnonymous?: boolean;
}

const SESSION = 'mcp-session-id';
const EVENTS = 'text/event-stream';
const INITIALIZE = { jsonrpc: '2.0', id: 1, method: 'initialize' };
const PING = { jsonrpc: '2.0', id: 2, method: 'ping' };
const REFUSAL = { status: 403, headers: { 'www-authenticate': 'Bearer error="insufficient_scope"' } };

/** An answer to nobody, with all that was done for it. */
class Answer {
  readonly told: string[] = [];
  readonly response = new ServerResponse(new IncomingMessage(new Socket()));
  runOut: (() => void) | undefined;

  constructor({ method = 'POST', headers = {}, body, form = 'http', shares = false, ...others }: Settings) {
    const told = (line: string): void => void this.told.push(line);
    const note = (what: string) => (id: string) => told(`${what} ${id}`);
    const hooks = new ResponseHooks(
      {
        formFor: () => form,
        refusalOf: () => REFUSAL,
        putHeaders: (to: ServerResponse) => to.setHeader('www-authenticate', REFUSAL.headers['www-authenticate']),
      } as unknown as Made[0],
      { open: note('opened'), close: note('closed') } as unknown as Made[1],
      {
        areOn: shares,
        open: async (id: string) => told(`shared ${id}`),
        close: async (id: string) => told(`forgotten everywhere ${id}`),
      } as unknown as Made[2],
      { attach: () => told('read') } as unknown as Made[3],
      {
        schedule: (at: number, run: () => void) => {
          told(`ends at ${at}`);
          this.runOut = run;
          return () => told('called off');
        },
      } as unknown as Made[4],
      { watch: () => undefined } as unknown as Made[5],
    );
    const request = { method, headers, rawHeaders: Object.entries(headers).flat() };
    const { isAnonymous, handlerError } = others;
    const access = { body: readRpcBody(body), server: {}, scopes: [] };
    const call = { auth: isAnonymous ? undefined : { expiresAt: 60 }, ...(handlerError && { handlerError }) };
    hooks.attach(request as Given[0], this.response as Given[1], access as unknown as Given[2], call as Given[3]);
    this.response.setHeader('cache-control', 'private');
  }

  /** Writes head and body. */
  send(status: number, headers: Record<string, string | string[]> = {}): readonly string[] {
    this.told.push('head');
    this.response.writeHead(status, headers);
    this.response.end('body');
    return this.told;
  }
}

describe('the body of an answer', () => {
  it.each<[what: string, settings: Settings, type: string, told: string[]]>([
    ['from its beginning for a message', { body: PING }, 'application/json', ['read', 'head']],
    ['from its beginning for who accepts events', { headers: { accept: EVENTS } }, 'text/plain', ['read', 'head']],
    ['if it turns out to be a stream', {}, EVENTS, ['head', 'read', 'ends at 60000']],
    ['once if it was read already', { body: PING }, EVENTS, ['read', 'head', 'ends at 60000']],
    ['not otherwise', {}, 'application/json', ['head']],
  ])('is read %s', (_what, settings, type, told) => {
    expect(new Answer(settings).send(200, { 'content-type': type })).toEqual(told);
  });
});

describe('a stream', () => {
  it('ends with the token, which is no longer waited for when it is closed', () => {
    const answer = new Answer({ body: PING });
    answer.told.push('head');
    answer.response.writeHead(200, { 'content-type': EVENTS });
    answer.runOut?.();
    expect(answer.response.writableEnded).toBe(true);
    answer.response.emit('close');
    expect(answer.told).toEqual(['read', 'head', 'ends at 60000', 'called off']);
  });

  it('of an anonymous caller ends with nothing', () => {
    expect(new Answer({ isAnonymous: true }).send(200, { 'content-type': EVENTS })).toEqual(['head', 'read']);
  });
});

describe('the session of an answer', () => {
  const asked = (session: string): Record<string, string> => ({ [SESSION]: session });

  it.each<[what: string, settings: Settings, given: Record<string, string | string[]>, told: string[]]>([
    ['opened by the first message', { body: INITIALIZE }, asked('new'), ['opened new']],
    ['opened by a message in a batch', { body: [PING, INITIALIZE] }, asked('new'), ['opened new']],
    ['opened beside another', { body: INITIALIZE, headers: asked('old') }, asked('new'), ['opened new']],
    ['not opened, since it is that of the request', { body: INITIALIZE, headers: asked('old') }, asked('old'), []],
    ['not opened, since none is named', { body: INITIALIZE, headers: asked('old') }, {}, []],
    ['not opened, since several are named', { body: INITIALIZE }, { [SESSION]: ['a', 'b'] }, []],
    ['not opened by another message', { body: PING }, asked('new'), []],
  ])('is %s', (_what, settings, given, told) => {
    const answer = new Answer(settings);
    expect(answer.send(200, given)).toEqual(['read', 'head', ...told]);
  });

  it.each<[what: string, status: number, headers: Record<string, string>, told: string[]]>([
    ['closed', 200, asked('old'), ['closed old']],
    ['closed with any success', 299, asked('old'), ['closed old']],
    ['kept if that fails', 300, asked('old'), []],
    ['kept if none is named', 200, {}, []],
  ])('is %s with DELETE', (_what, status, headers, told) => {
    expect(new Answer({ method: 'DELETE', headers }).send(status, asked('new'))).toEqual(['head', ...told]);
    const everywhere = told.length > 0 ? ['forgotten everywhere old'] : [];
    const shared = new Answer({ method: 'DELETE', headers, shares: true });
    expect(shared.send(status, asked('new'))).toEqual(['head', ...told, ...everywhere]);
  });

  it('is known to all replicas before its client', async () => {
    const answer = new Answer({ body: INITIALIZE, shares: true });
    expect(answer.send(200, asked('new'))).toEqual(['read', 'head', 'shared new']);
    expect(answer.response.headersSent).toBe(false);
    await new Promise(setImmediate);
    expect(answer.response.headersSent).toBe(true);
    expect(answer.told).toEqual(['read', 'head', 'shared new', 'opened new']);
  });

  it.each<[what: string, settings: Settings, given: Record<string, string | string[]>]>([
    ['that of the request', { body: INITIALIZE, headers: asked('old') }, asked('old')],
    ['none', { body: INITIALIZE }, {}],
    ['several', { body: INITIALIZE, headers: asked('old') }, { [SESSION]: ['a', 'b'] }],
    ['one for another message', { body: PING }, asked('new')],
  ])('is not waited for if the answer names %s', (_what, settings, given) => {
    const answer = new Answer({ ...settings, shares: true });
    expect(answer.send(200, given)).toEqual(['read', 'head']);
    expect(answer.response.headersSent).toBe(true);
  });
});

describe('the refusal of a handler', () => {
  const handlerError = new McpAuthError('insufficient_scope', 'scope_missing');
  const statusOf = (settings: Settings, status = 200, type = 'application/json'): [number, boolean] => {
    const answer = new Answer({ body: PING, ...settings });
    answer.send(status, { 'content-type': type });
    return [answer.response.statusCode, answer.response.hasHeader('www-authenticate')];
  };

  it('gives the answer its status and challenge, and leaves the rest', () => {
    expect(statusOf({ handlerError })).toEqual([403, true]);
    const answer = new Answer({ body: PING, handlerError });
    answer.send(200, { 'x-of-the-framework': '1' });
    expect(answer.response.getHeader('x-of-the-framework')).toBe('1');
  });

  it.each<[what: string, settings: Settings, status: number, type: string]>([
    ['there is none', {}, 200, 'application/json'],
    ['the framework has answered with another status', { handlerError }, 201, 'application/json'],
    ['it is in a stream', { handlerError }, 200, EVENTS],
    ['the client acts on tool results', { handlerError, form: 'tool-result' }, 200, 'application/json'],
  ])('leaves the answer as it is if %s', (_what, settings, status, type) => {
    expect(statusOf(settings, status, type)).toEqual([status, false]);
  });
});
