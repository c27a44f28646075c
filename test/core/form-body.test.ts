import { PassThrough } from 'node:stream';
import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import { formField } from '../../lib/request/form-body.js';

// The field of a form at its limits, without a server. test/conformance/12d-back-channel-logout.test.ts has it over HTTP.

const FORM = 'application/x-www-form-urlencoded';
const LONGEST = 65_536;

/** A request whose body arrives in these parts, unless a parser has read it into `body`. */
function request(parts: readonly string[], more: object = {}): IncomingMessage & { body?: unknown } {
  const stream = new PassThrough();
  for (const part of parts) stream.write(part);
  stream.end();
  return Object.assign(stream, { headers: { 'content-type': FORM }, ...more }) as unknown as IncomingMessage;
}

/** A body that a parser has read. */
async function parsed(body: unknown): Promise<string | undefined> {
  const read = request(['token=sent']);
  await new Promise((resolve) => read.on('data', resolve).once('end', resolve));
  return formField(Object.assign(read, { body }), 'token');
}

describe('a field of a form', () => {
  it.each<[string, string[], string | undefined]>([
    ['once', ['a=1&token=x%20y&b='], 'x y'],
    ['in parts', ['a=1&tok', 'en=x', 'y'], 'xy'],
    ['not at all', ['a=1'], undefined],
    ['twice', ['token=x&token=x'], undefined],
    ['empty', ['token='], undefined],
    ['in no body', [], undefined],
    ['in the longest body', [`token=${'x'.repeat(LONGEST - 6)}`], 'x'.repeat(LONGEST - 6)],
    ['in a longer body', [`token=${'x'.repeat(LONGEST - 6)}`, 'x'], undefined],
    ['before the limit of a longer body', ['token=x&', 'y'.repeat(LONGEST)], undefined],
  ])('is read from the request where it is there %s', async (_where, parts, value) => {
    expect(await formField(request(parts), 'token')).toBe(value);
  });

  it.each<[string, unknown, string | undefined]>([
    ['an object', { token: 'x' }, 'x'],
    ['an object with a list', { token: ['x', 'y'] }, undefined],
    ['an object with a list of one', { token: ['x'] }, undefined],
    ['an object with an empty text', { token: '' }, undefined],
    ['an object that inherits it', Object.create({ token: 'x' }), undefined],
    ['an object without it', {}, undefined],
    ['a text', 'a=1&token=x', 'x'],
    ['a text with two', 'token=x&token=y', undefined],
    ['bytes', Buffer.from('token=x'), 'x'],
    ['other bytes', new TextEncoder().encode('token=é'), 'é'],
    ['a list', [['token', 'x']], undefined],
    ['nothing', undefined, undefined],
  ])('is taken from what a parser has made of the body: %s', async (_what, body, value) => {
    expect(await parsed(body)).toBe(value);
  });

  it('is taken from the body where a parser has ended the stream without reading it', async () => {
    const ended = request([], { body: { token: 'x' } });
    Object.defineProperty(ended, 'readableEnded', { value: true });
    Object.defineProperty(ended, 'readableDidRead', { value: false });
    expect(await formField(ended, 'token')).toBe('x');
  });

  it.each([`${FORM}; charset=utf-8`, FORM.toUpperCase()])('is read from a body of the type %s', async (type) => {
    expect(await formField(request(['token=x'], { headers: { 'content-type': type } }), 'token')).toBe('x');
  });

  it.each(['application/json', 'text/plain', `${FORM}x`, undefined])('is not read from one of %s', async (type) => {
    expect(await formField(request(['token=x'], { headers: { 'content-type': type } }), 'token')).toBeUndefined();
  });

  it.each<[string, Error | undefined]>([
    ['breaks off', undefined],
    ['fails', new Error('reset')],
  ])('is not there where the body %s', async (_how, error) => {
    const stream = new PassThrough();
    stream.write('token=x');
    const source = Object.assign(stream, { headers: { 'content-type': FORM } }) as unknown as IncomingMessage;
    const field = formField(source, 'token');
    stream.destroy(error);
    expect(await field).toBeUndefined();
  });
});
