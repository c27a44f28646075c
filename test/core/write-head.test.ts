import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { addWriteHeadHook, headerInHead, headWithout, type Head } from '../../lib/response/write-head-hook.js';

/** An answer to nobody, for which a type was set before its head is written. */
function answer(): ServerResponse {
  const response = new ServerResponse(new IncomingMessage(new Socket()));
  response.setHeader('Content-Type', 'set/before');
  return response;
}

const TYPE = 'text/event-stream';

/** Each form in which `writeHead` of Node takes headers; what it says of the content type, and what is left without that. */
const FORMS: readonly [form: string, head: Head, type: string, left: Head][] = [
  ['none', [200], 'set/before', [200]],
  ['none after a reason', [200, 'OK'], 'set/before', [200, 'OK']],
  ['undefined ones', [200, undefined], 'set/before', [200, undefined]],
  ['an object', [200, { A: '1', 'Content-Type': TYPE }], TYPE, [200, { A: '1' }]],
  ['an object after a reason', [200, 'OK', { 'content-type': TYPE, A: 1 }], TYPE, [200, 'OK', { A: 1 }]],
  ['an object without that header', [200, { A: 'Content-Type' }], 'set/before', [200, { A: 'Content-Type' }]],
  ['a list', [200, ['A', '1', 'CONTENT-TYPE', TYPE, 'B', '2']], TYPE, [200, ['A', '1', 'B', '2']]],
  ['a list after a reason', [200, 'OK', ['content-type', TYPE, 'B', '2']], TYPE, [200, 'OK', ['B', '2']]],
  ['a list that names it twice', [200, ['content-type', 'a/b', 'Content-Type', TYPE]], TYPE, [200, []]],
  [
    'a list with a value that is the name of it',
    [200, ['A', 'content-type', 'B', '2']],
    'set/before',
    [200, ['A', 'content-type', 'B', '2']],
  ],
  ['an empty list', [200, []], 'set/before', [200, []]],
  [
    'a list of pairs',
    [
      200,
      [
        ['A', '1'],
        ['Content-Type', TYPE],
        ['B', '2'],
      ],
    ],
    TYPE,
    [
      200,
      [
        ['A', '1'],
        ['B', '2'],
      ],
    ],
  ],
  [
    'a list of pairs with several values',
    [
      200,
      [
        ['Set-Cookie', ['a', 'b']],
        ['Content-Type', TYPE],
      ],
    ],
    TYPE,
    [200, [['Set-Cookie', ['a', 'b']]]],
  ],
  [
    'a list with several values',
    [200, ['Set-Cookie', ['a', 'b'], 'Content-Type', TYPE]],
    TYPE,
    [200, ['Set-Cookie', ['a', 'b']]],
  ],
];

describe('the head of an answer', () => {
  it.each(FORMS)('is read with its headers in the form of %s', (_form, head, type) => {
    expect(headerInHead(answer(), head, 'content-type')).toBe(type);
  });

  it.each(FORMS)('keeps the form of its headers without some of them: %s', (_form, head, _type, left) => {
    expect(headWithout(head, ['content-type', 'content-length'])).toEqual(left);
  });

  it('is written as the hook says, which is told when that was done', () => {
    const response = answer();
    const told: unknown[] = [];
    addWriteHeadHook(response, {
      before: (head) => {
        told.push('before', head, response.headersSent);
        return [201, 'Made', { 'X-Made': 'yes' }];
      },
      after: () => void told.push('after', response.headersSent, response.getHeader('x-made')),
    });
    expect(response.writeHead(200, 'OK', { A: '1' })).toBe(response);
    expect(told).toEqual(['before', [200, 'OK', { A: '1' }], false, 'after', true, 'yes']);
    expect([response.statusCode, response.statusMessage, response.hasHeader('a')]).toEqual([201, 'Made', false]);
  });

  it('passes the hook also where Node writes it for the first piece of the body', () => {
    const response = answer();
    const told: unknown[] = [];
    addWriteHeadHook(response, {
      before: (head) => {
        told.push(head);
        return head;
      },
      after: () => void told.push(response.headersSent),
    });
    response.end('body');
    expect(told).toEqual([[200], true]);
  });
});
