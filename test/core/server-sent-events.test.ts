import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { EventStreamReader } from '../../lib/response/server-sent-events.js';
import { always } from '../fuzz/property.js';

/** Everything that a reader tells of a stream that comes in these pieces. */
function read(pieces: readonly (string | Uint8Array)[]): string[] {
  const told: string[] = [];
  const reader = new EventStreamReader({
    id: (id) => told.push(`id ${id}`),
    event: ({ type, data }) => told.push(`${type} ${data}`),
  });
  for (const piece of pieces) reader.read(piece);
  return told;
}

const STREAM = [
  '\uFEFF: a comment\n',
  'id: first\r\ndata: \r\n\r\n',
  'event: message\rid:no space\rdata: {"a":\rdata: 1}\r\r',
  'id:  two spaces\ndata\ndata: b\n\n',
  'id\ndata:x\n\n',
  'id: with \0 in it\nid: Ü-日本-😀\nevent: endpoint\ndata: /messages?sessionId=1\n\n',
  'identity: none\n id: none\nid : none\nID: none\ndata: id: none\n\n',
  'id: of an event that has not ended',
];
const TOLD = [
  'id first',
  'id no space',
  'message {"a":\n1}',
  'id  two spaces',
  'message \nb',
  'message x',
  'id Ü-日本-😀',
  'endpoint /messages?sessionId=1',
  'message id: none',
];

describe('an event stream', () => {
  it('is read by the HTML Standard', () => {
    expect(read([new TextEncoder().encode(STREAM.join(''))])).toEqual(TOLD);
  });

  it('is read alike however its bytes are divided', () => {
    const bytes = new TextEncoder().encode(STREAM.join(''));
    always(500, fc.array(fc.nat(bytes.length), { maxLength: 40 }), (cuts) => {
      const at = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
      expect(read(at.slice(1).map((end, index) => bytes.subarray(at[index], end)))).toEqual(TOLD);
    });
  });

  it('is read alike as text and as bytes', () => {
    expect(read(Array.from(STREAM.join('').slice(1)))).toEqual(TOLD);
  });

  it('is read on after a line that is too long to be looked at', () => {
    const long = `data: ${'x'.repeat(2_000_000)}`;
    expect(read([`id: a\n${long}`, long, '\n\nid: b\ndata: c\n\n'])).toEqual(['id a', 'id b', 'message c']);
  });

  it('has events of the type `message` where it names none', () => {
    expect(read(['data: x\n\n'])).toEqual(['message x']);
  });

  it('has one end of a line in CR and LF, also in two pieces with nothing between them', () => {
    expect(read(['data: a\r', '\ndata: b\r\n\r\n'])).toEqual(['message a\nb']);
    expect(read(['data: a\r', '', '\ndata: b\r\n\r\n'])).toEqual(['message a\nb']);
  });

  it('has lines that are skipped as a whole once they are too long, and end no event', () => {
    const longest = 'x'.repeat(1_048_576 - 'data: '.length);
    const half = 'x'.repeat(600_000);
    expect(read([`data: ${longest}`, '\n\n'])).toEqual([`message ${longest}`]);
    expect(read([`data: ${longest}x`, '\n\n'])).toEqual([]);
    expect(read([`data: ${half}`, half, '\n\n'])).toEqual([]);
    expect(read([`data: ${longest}x`, 'data: y\n\n'])).toEqual([]);
    expect(read([`data: a\ndata: ${longest}x\ndata: b\n\n`])).toEqual(['message a\nb']);
  });
});
