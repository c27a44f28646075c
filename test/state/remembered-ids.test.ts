import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import { Controller, Sse } from '@nestjs/common';
import { EMPTY, type Observable } from 'rxjs';
import { StateWatch } from '../../lib/response/state-watch.js';

// Which ids an answer has is told to the owners of sessions, tasks and events. A client sees it only in later requests.

type Made = ConstructorParameters<typeof StateWatch>;
type Attached = Parameters<StateWatch['attach']>;

@Controller()
class News {
  @Sse()
  news(): Observable<never> {
    return EMPTY;
  }
}

/** An answer to nobody, with all that is remembered of it. */
class Answer {
  readonly told: string[] = [];
  readonly response = new ServerResponse(new IncomingMessage(new Socket()));

  constructor(
    body: unknown,
    { handler = () => undefined, areBoundHere = true, known = [] as string[] }: Partial<Settings> = {},
  ) {
    const told = (line: string): void => void this.told.push(line);
    const call = { auth: undefined, handler, resource: { id: 'notes' } } as unknown as Attached[2];
    const watch = new StateWatch(
      { memorable: ({ name }: { name: string }, resource: string) => `${name} of ${resource}` } as unknown as Made[0],
      {
        has: (id: string) => known.includes(id),
        open: (id: string) => told(`opened ${id}`),
        close: (id: string) => told(`closed ${id}`),
      } as unknown as Made[1],
      {
        areBoundHere,
        note: (id: string, operations: unknown) => told(`task ${id} by ${JSON.stringify(operations)}`),
      } as unknown as Made[2],
      { note: (id: string) => told(`event ${id}`) } as unknown as Made[3],
    );
    watch.attach({ body } as Attached[0], this.response, call);
  }

  /** Writes the answer in one piece, and closes the connection. */
  send(headers: Record<string, string>, body: string | Uint8Array): readonly string[] {
    // As the library does for each caller. Otherwise Node does not keep the headers of `writeHead`.
    this.response.setHeader('cache-control', 'private');
    this.response.writeHead(200, headers);
    this.response.end(body);
    this.told.push('sent');
    this.response.emit('close');
    return this.told;
  }
}

interface Settings {
  readonly handler: () => unknown;
  readonly areBoundHere: boolean;
  readonly known: string[];
}

const call = (id: number, name: string): object => {
  return { jsonrpc: '2.0', id, method: 'tools/call', params: { name, task: {} } };
};
const created = (id: number, taskId: string): object => ({ jsonrpc: '2.0', id, result: { task: { taskId } } });
const JSON_TYPE = { 'content-type': 'application/json' };
const EVENTS = { 'content-type': 'text/event-stream' };

describe('the tasks of an answer in JSON', () => {
  it('are remembered with the operation whose request they answer', () => {
    const batch = [call(1, 'report'), call(2, 'slow')];
    const answers = JSON.stringify([created(2, 'b'), created(3, 'of-nobody'), created(1, 'a')]);
    expect(new Answer(batch).send(JSON_TYPE, answers)).toEqual([
      'task b by ["slow of notes"]',
      'task a by ["report of notes"]',
      'sent',
    ]);
  });

  it.each<[what: string, headers: Record<string, string>, body: Uint8Array]>([
    ['as they are', { 'content-encoding': 'identity' }, Buffer.from(JSON.stringify(created(1, 'a')))],
    ['compressed', { 'content-encoding': 'gzip' }, gzipSync(JSON.stringify(created(1, 'a')))],
    [
      'in a coding that leaves words as they are',
      { 'content-encoding': 'gzip' },
      gzipSync(JSON.stringify(created(1, 'a')), { level: 0 }),
    ],
  ])('are remembered once if they are sent %s', (_what, headers, body) => {
    expect(new Answer(call(1, 'report')).send({ ...JSON_TYPE, ...headers }, body)).toEqual([
      'task a by ["report of notes"]',
      'sent',
    ]);
  });

  it('are not looked for where no request may create one, or the application keeps them', () => {
    const body = JSON.stringify(created(1, 'a'));
    expect(new Answer({ jsonrpc: '2.0', id: 1, method: 'ping' }).send(JSON_TYPE, body)).toEqual(['sent']);
    expect(new Answer(call(1, 'report'), { areBoundHere: false }).send(JSON_TYPE, body)).toEqual(['sent']);
  });

  it.each([
    '{"jsonrpc":"2.0","id":1,"result":{"task":{"task\\u0049d":"spelled so by nobody"}}}',
    '{"taskId"',
    '',
    '{}',
    '"taskId"',
    'id: 1\nevent: endpoint\ndata: ?s=0123456789abcdef\n\n',
  ])('are none where the text is %j', (body) => {
    expect(new Answer(call(1, 'report')).send(JSON_TYPE, body)).toEqual(['sent']);
  });
});

describe('the events of an answer', () => {
  it('are remembered with their ids, and the last one again when the stream closes', () => {
    expect(new Answer(undefined).send(EVENTS, 'id: 1\ndata: x\n\nid: 2\ndata: y\n\n')).toEqual([
      'event 1',
      'event 2',
      'sent',
      'event 2',
    ]);
  });

  it('are not remembered without an id, nor for an @Sse() route', () => {
    expect(new Answer(undefined).send(EVENTS, 'data: x\n\n')).toEqual(['sent']);
    const ofRoute = new Answer(undefined, { handler: News.prototype.news });
    expect(ofRoute.send(EVENTS, 'id: 1\ndata: x\n\n')).toEqual(['sent']);
  });

  it('are read for tasks where a request may create one, and only as messages', () => {
    const task = `data: ${JSON.stringify(created(1, 'a'))}\n\n`;
    expect(new Answer(call(1, 'report')).send(EVENTS, `data: "taskId\n\n${task}`)).toEqual([
      'task a by ["report of notes"]',
      'sent',
    ]);
    expect(new Answer(undefined).send(EVENTS, task)).toEqual(['sent']);
    expect(new Answer(call(1, 'report')).send(EVENTS, `event: endpoint\n${task}`)).toEqual(['sent']);
  });
});

describe('the session of a stream of HTTP+SSE', () => {
  const open = (url: string, known: string[] = []): readonly string[] =>
    new Answer(undefined, { known }).send(EVENTS, `event: endpoint\ndata: ${url}\n\n`);
  const LONG = '0123456789abcdef';

  it('is remembered while the stream is open', () => {
    expect(open('/messages?sessionId=short')).toEqual(['opened short', 'sent', 'closed short']);
  });

  it('is each long value where no parameter has the name of a session', () => {
    expect(open(`/messages?v=2&channel=${LONG}`)).toEqual([`opened ${LONG}`, 'sent', `closed ${LONG}`]);
    expect(open(`/messages?channel=${LONG.slice(1)}`)).toEqual(['sent']);
    expect(open(`/messages?channel=${LONG}&session_id=1`)).toEqual(['opened 1', 'sent', 'closed 1']);
  });

  it('keeps its owner if it is known already', () => {
    expect(open('/messages?sessionId=a&sessionId=b', ['a'])).toEqual(['opened b', 'sent', 'closed b']);
  });

  it('is named by an event of that type only', () => {
    expect(new Answer(undefined).send(EVENTS, 'data: /messages?sessionId=short\n\n')).toEqual(['sent']);
  });
});
