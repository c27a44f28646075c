import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { acceptsEvents, fieldValues, isPresent, valuesSent, writeField } from '../../lib/request/header-fields.js';
import { isBodyUnread } from '../../lib/request/unread-body.js';
import { always } from '../fuzz/property.js';

const name = fc.constantFrom('Host', 'host', 'HOST', 'X-Host', 'Mcp-Session-Id', 'mcp-session-id', '');
const fields = fc.array(fc.tuple(name, fc.constantFrom('a', 'b', '', 'host')), { maxLength: 5 });

describe('header fields', () => {
  it('that were written are found in both lists, once, and all others are left', () => {
    always(
      2_000,
      fc.tuple(fields, fc.constantFrom('host', 'mcp-session-id'), fc.constantFrom('new', '', undefined)),
      ([sent, field, value]) => {
        const source = {
          headers: Object.fromEntries(sent.map(([one, text]) => [one.toLowerCase(), text])),
          rawHeaders: sent.flat(),
        };
        const others = sent.filter(([one]) => one.toLowerCase() !== field).flat();
        writeField(source, field, value);
        expect(fieldValues(source, field)).toEqual(value === undefined ? [] : [value]);
        // A list without fields is taken for one that is not kept.
        const isKept = sent.length > 0;
        expect(source.rawHeaders).toEqual([...others, ...(isKept && value !== undefined ? [field, value] : [])]);
      },
    );
  });

  it('are text, whatever was written', () => {
    expect(fieldValues({ headers: { a: 1 as unknown as string } }, 'a')).toEqual(['1']);
    expect(fieldValues({ headers: { a: null as unknown as string } }, 'a')).toEqual([]);
    expect(fieldValues({ headers: { a: [] } }, 'a')).toEqual([]);
  });
});

describe('a header field', () => {
  it('has the value that middleware wrote, and those that were sent where there are several', () => {
    const sent = (...rawHeaders: string[]): readonly string[] =>
      fieldValues({ headers: { host: 'new' }, rawHeaders }, 'host');
    expect(sent('Host', 'old')).toEqual(['new']);
    expect(sent('Host', 'a', 'Hosts', 'b', 'HOST', 'c')).toEqual(['a', 'c']);
    expect(sent()).toEqual(['new']);
    expect(fieldValues({ headers: { host: 'new' } }, 'host')).toEqual(['new']);
    expect(fieldValues({ headers: { host: 'new' }, raw: { rawHeaders: ['Host', 'a', 'Host', 'b'] } }, 'host')).toEqual([
      'a',
      'b',
    ]);
    expect(fieldValues({ headers: {}, rawHeaders: ['Host', 'a', 'Host', 'b'] }, 'host')).toEqual([]);
  });

  it('is there where it has a value, also an empty one', () => {
    expect(['a', '', []].map(isPresent)).toEqual([true, true, true]);
    expect([undefined, null as unknown as undefined].map(isPresent)).toEqual([false, false]);
  });

  it('was sent under its whole name, in any case', () => {
    expect(
      valuesSent(['HOST', 'a', 'Hos', 'b', 'Hosts', 'c', 'Most', 'd', 'Other', 'host', 'host', 'e'], 'host'),
    ).toEqual(['a', 'e']);
    // A list without the last value.
    expect(valuesSent(['Host', 'a', 'Host'], 'host')).toEqual(['a']);
  });

  it('is written where no list of fields is kept', () => {
    const source = { headers: { host: 'a' } as Record<string, string> };
    writeField(source, 'host', 'b');
    expect(source).toEqual({ headers: { host: 'b' } });
    writeField(source, 'host', undefined);
    expect(source).toEqual({ headers: {} });
    expect('host' in source.headers).toBe(false);
  });

  it.each<[string | string[] | undefined, boolean]>([
    ['application/json, text/event-stream', true],
    ['Text/Event-Stream;q=0.5', true],
    [['application/json', 'text/event-stream'], true],
    ['application/json', false],
    ['text/event', false],
    [undefined, false],
  ])('Accept: %j accepts event streams: %s', (accept, isIt) => {
    expect(acceptsEvents({ headers: { accept } })).toBe(isIt);
  });
});

describe('a body', () => {
  class Stream {
    readonly pipe = (): void => undefined;
  }
  const announced = { headers: { 'content-length': '5' } };

  it.each([
    ['nothing', undefined],
    ['text', '{"jsonrpc":"2.0"}'],
    ['bytes', Buffer.from('{}')],
    ['a view of bytes', new Uint8Array(2)],
    ['a stream', new Stream()],
    ['a form', new URLSearchParams('a=1')],
  ])('is unread where the platform shows %s', (_what, body) => {
    expect(isBodyUnread(body, announced)).toBe(true);
    expect(isBodyUnread(body, { headers: { 'transfer-encoding': 'chunked' } })).toBe(true);
    expect(isBodyUnread(body, { headers: {}, rawHeaders: ['Content-Length', '5'] })).toBe(true);
    expect(isBodyUnread(body, { headers: { 'content-length': 'five' } })).toBe(true);
  });

  it.each([
    [{}],
    [null],
    [{ a: 1 }],
    [[]],
    [[1]],
    [1],
    [false],
    [JSON.parse('{"__proto__":1}')],
    [Object.assign(Object.create(null) as object, { a: 1 })],
  ])('is read as %j, unless nobody has touched it', (body) => {
    expect(isBodyUnread(body, { ...announced, readableDidRead: true })).toBe(false);
    expect(isBodyUnread(body, announced)).toBe(false);
    expect(isBodyUnread(body, { ...announced, readableDidRead: false })).toBe(true);
    expect(isBodyUnread(body, { ...announced, readableDidRead: false, readableEnded: true })).toBe(false);
    expect(isBodyUnread(body, { headers: {}, readableDidRead: false })).toBe(false);
  });

  it('is not there where no field says so, and nothing was read', () => {
    for (const body of [undefined, '', Buffer.alloc(0), new Stream()]) {
      expect(isBodyUnread(body, { headers: {} })).toBe(false);
      expect(isBodyUnread(body, { headers: { 'content-length': '0' } })).toBe(false);
      expect(isBodyUnread(body, { headers: {}, stream: { endAfterHeaders: true } })).toBe(false);
    }
    // Over HTTP/2 a request says otherwise that a body follows.
    expect(isBodyUnread(undefined, { headers: {}, stream: { endAfterHeaders: false } })).toBe(true);
    // An adapter may hand a body over without saying so.
    expect(isBodyUnread('{"jsonrpc":"2.0"}', { headers: {} })).toBe(true);
  });
});
