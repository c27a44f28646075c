import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { filter, firstValueFrom } from 'rxjs';
import { McpAuthError, McpAuthService, type McpAuthEvent } from 'nestjs-mcp-auth';
import { readTraceparent, spanInHeader, spanInMessage } from '../../lib/request/trace-context.js';
import { givenTool } from '../support/given-tool.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { bearer } from '../support/rpc.js';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';
const VALID = `00-${TRACE}-${SPAN}-01`;
const OTHER_TRACE = '0af7651916cd43dd8448eb211c80319c';
const OTHER = `00-${OTHER_TRACE}-b7ad6b7169203331-00`;
const NONE = { traceId: undefined, spanId: undefined, traceSource: undefined };

/** Finds out late that it needs more. */
const LATE = givenTool('late', { scopes: ['a'] }, () => {
  throw McpAuthError.insufficientScope('z');
});

describe('readTraceparent', () => {
  it.each([VALID, `00-${TRACE}-${SPAN}-00`, `01-${TRACE}-${SPAN}-01`, `cc-${TRACE}-${SPAN}-01-what-comes-later`])(
    'reads %s',
    (value) => expect(readTraceparent(value)).toEqual({ traceId: TRACE, spanId: SPAN }),
  );

  it.each([
    undefined,
    7,
    [VALID],
    '',
    ` ${VALID}`,
    `${VALID}\n`,
    VALID.toUpperCase(),
    `${VALID}-more`,
    `01-${TRACE}-${SPAN}-01more`,
    `ff-${TRACE}-${SPAN}-01`,
    `00-${'0'.repeat(32)}-${SPAN}-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `00-${TRACE}-${SPAN}`,
    `00-${TRACE.slice(1)}-${SPAN}-01`,
    `01-${TRACE}-${SPAN}-01-${'x'.repeat(500)}`,
    `01-${TRACE}-${SPAN}-01-${'x'.repeat(457)}`,
  ])('does not read %j', (value) => expect(readTraceparent(value)).toBeUndefined());

  it('reads the longest value that is allowed', () => {
    const longest = `01-${TRACE}-${SPAN}-01-${'x'.repeat(456)}`;
    expect([longest.length, readTraceparent(longest)]).toEqual([512, { traceId: TRACE, spanId: SPAN }]);
  });

  it('reads one header field, and none of several', () => {
    const inFields = (...values: string[]): unknown =>
      spanInHeader({ headers: { traceparent: values[0] }, rawHeaders: values.flatMap((one) => ['traceparent', one]) });
    expect(inFields(VALID)).toEqual({ traceId: TRACE, spanId: SPAN });
    expect(inFields(VALID, VALID)).toBeUndefined();
    expect(inFields()).toBeUndefined();
  });

  it.each([undefined, null, 'text', [], {}, { params: null }, { params: {} }, { params: { _meta: null } }])(
    'finds nothing in the message %j',
    (message) => expect(spanInMessage(message)).toBeUndefined(),
  );

  it('reads the member of `_meta` of a message, and not that of a batch', () => {
    const message = { params: { _meta: { traceparent: VALID } } };
    expect(spanInMessage(message)).toEqual({ traceId: TRACE, spanId: SPAN });
    expect(spanInMessage([message])).toBeUndefined();
  });
});

describe.each(PLATFORMS)('the trace in events, on %s', (platform) => {
  let server: NotesServer;
  let token: string;
  beforeAll(async () => {
    server = await startNotesServer(platform, { tools: [LATE] });
    token = await server.mint({ scope: 'a' });
  });
  afterAll(() => server.close());

  const next = (type: McpAuthEvent['type']): Promise<McpAuthEvent> =>
    firstValueFrom(server.app.get(McpAuthService).events$.pipe(filter((event) => event.type === type)));
  const call = (name: string, headers: Record<string, string>, meta?: unknown): Promise<Response> =>
    server.rpc('tools/call', { name, arguments: {}, ...(meta !== undefined && { _meta: meta }) }, headers);

  it('is the one in the header, in every event about the request', async () => {
    const events = [next('authenticated'), next('refused'), next('completed')];
    await (await call('late', { ...bearer(token), traceparent: VALID })).text();
    for (const event of events) {
      expect(await event).toMatchObject({ traceId: TRACE, spanId: SPAN, traceSource: 'header' });
    }
  });

  it('is the one in the message rather than the one in the header', async () => {
    const events = [next('authenticated'), next('refused')];
    await (await call('late', { ...bearer(token), traceparent: OTHER }, { traceparent: VALID })).text();
    for (const event of events) {
      expect(await event).toMatchObject({ traceId: TRACE, spanId: SPAN, traceSource: 'message' });
    }
  });

  it('is there for a request without a token, and for another route', async () => {
    const refused = next('refused');
    await call('ping', { traceparent: VALID });
    expect(await refused).toMatchObject({ traceId: TRACE, traceSource: 'header' });
    const admitted = next('authenticated');
    await fetch(`${server.origin}/plain`, { headers: { ...bearer(token), traceparent: VALID } });
    expect(await admitted).toMatchObject({ traceId: TRACE, traceSource: 'header' });
  });

  it.each<[string, Record<string, string>, unknown]>([
    ['nothing', {}, undefined],
    ['a header that is not valid', { traceparent: `${VALID}-x` }, undefined],
    ['two headers', { traceparent: `${VALID}, ${OTHER}` }, undefined],
    ['a member that is not valid', {}, { traceparent: { traceId: TRACE } }],
    ['another member', {}, { tracestate: VALID, baggage: VALID }],
  ])('is not known from %s', async (_what, headers, meta) => {
    const event = next('authenticated');
    await (await call('ping', { ...bearer(token), ...headers }, meta)).text();
    expect(await event).toMatchObject(NONE);
  });

  it('changes nothing else: the same caller gets the same decision with any trace', async () => {
    for (const traceparent of [VALID, OTHER, 'x']) {
      const event = next('refused');
      const response = await call('write-note', { ...bearer(token), traceparent });
      expect(response.status).toBe(403);
      expect(await event).toMatchObject({ reason: 'scope_missing' });
    }
  });
});
