import { getEventListeners } from 'node:events';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { probe, type ProbedAnswer } from '../../lib/issuer/probe.js';

// What the doctor gets of an answer, whatever it is, with a `fetch` in place of a server.

const URL_ASKED = 'https://mcp.example/mcp';

let closing: AbortController;
beforeEach(() => {
  closing = new AbortController();
});

const ask = (answer: () => unknown): Promise<ProbedAnswer> =>
  probe(
    URL_ASKED,
    { method: 'POST', headers: { accept: 'text/plain' }, body: 'x' },
    { timeoutMs: 200, maxBytes: 10, closing: closing.signal, fetch: (async () => answer()) as unknown as typeof fetch },
  );

/** A body that never ends, and says when it is cancelled. */
function endless(): { readonly body: ReadableStream; readonly cancelled: Promise<unknown> } {
  let body!: ReadableStream;
  const cancelled = new Promise((cancel) => {
    body = new ReadableStream({ start: (to) => to.enqueue(new Uint8Array([0x78])), cancel });
  });
  return { body, cancelled };
}

describe('an answer to the doctor', () => {
  it.each([200, 302, 401, 500])('has its status, type, fields and body: %d', async (status) => {
    const headers = { 'content-type': 'Text/Plain; charset=utf-8', 'x-one': '1' };
    const answer = await ask(() => new Response('0123456789', { status, headers }));
    expect(answer).toMatchObject({ status, contentType: 'text/plain', text: '0123456789', flaw: undefined });
    expect(answer.headers.get('x-one')).toBe('1');
    expect(getEventListeners(closing.signal, 'abort')).toEqual([]);
  });

  it('has no body that is too long, but says so', async () => {
    expect(await ask(() => new Response('0123456789a'))).toMatchObject({
      status: 200,
      text: '',
      flaw: 'the body is longer than 10 bytes',
    });
  });

  it('has no body that comes too late, but says so, and ends the transfer', async () => {
    const { body, cancelled } = endless();
    expect(await ask(() => new Response(body))).toMatchObject({
      text: '',
      flaw: 'the body could not be read to its end in time',
    });
    await cancelled;
  });

  it('has no stream of events, which is not waited for', async () => {
    const { body, cancelled } = endless();
    expect(await ask(() => new Response(body, { headers: { 'content-type': 'text/event-stream' } }))).toMatchObject({
      contentType: 'text/event-stream',
      text: '',
      flaw: 'the body is a stream of events',
    });
    await cancelled;
  });

  it('is needed', async () => {
    await expect(ask(() => Promise.reject(new Error('x')))).rejects.toMatchObject({
      name: 'OutboundError',
      message: `POST ${URL_ASKED}: no answer`,
    });
    expect(getEventListeners(closing.signal, 'abort')).toEqual([]);
  });
});
