import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import {
  McpAuthConfigError,
  McpAuthService,
  type EventArgumentsContext,
  type McpAuthEvent,
  type McpMessageFacts,
} from 'nestjs-mcp-auth';
import { McpAuthOpenTelemetryModule } from 'nestjs-mcp-auth/opentelemetry';
import { readOptions } from '../../lib/options/read-options.js';
import { expectNoTrace } from '../support/expectations.js';
import { givenTool } from '../support/given-tool.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { Telemetry } from '../support/telemetry.js';

/** What the tool got. */
let got: unknown;
const TOOL = givenTool('echo', { isPublic: true, parameters: z.looseObject({}) }, (args) => {
  got = args;
  return { content: [] };
});

/** What the function of the application does. */
let redact: (call: EventArgumentsContext) => unknown;
let asked: EventArgumentsContext[] = [];

const ARGS = { noteId: 7, text: 'secret', deep: { password: 'x' } };

describe.each(PLATFORMS)('the arguments in events, on %s', (platform) => {
  let server: NotesServer;
  let heard: McpAuthEvent[];
  let token: string;
  beforeAll(async () => {
    server = await startNotesServer(platform, {
      tools: [TOOL],
      options: {
        allowAnonymous: true,
        eventArguments: (call) => {
          asked.push(call);
          return redact(call);
        },
      },
    });
    token = await server.mint({ scope: 'a' });
  });
  afterAll(() => server.close());
  beforeEach(() => {
    asked = [];
    redact = ({ args }) => args;
  });

  const call = async (args: object, { name = 'echo', as = token } = {}): Promise<McpMessageFacts[]> => {
    heard = [];
    const subscription = server.app.get(McpAuthService).events$.subscribe((event) => heard.push(event));
    await (await server.callTool(name, as, args)).text();
    subscription.unsubscribe();
    return heard.flatMap((event) => ('messages' in event ? event.messages : []));
  };

  it('are what the function returns, in each event about an admitted request, with or without a caller', async () => {
    redact = ({ kind, name, args }) => ({ kind, name, noteId: (args as typeof ARGS).noteId });
    for (const as of [token, '']) {
      const [message] = await call(ARGS, { as });
      expect(message!.arguments).toEqual({ kind: 'tool', name: 'echo', noteId: 7 });
      expect(message).not.toHaveProperty('argumentsOmitted');
      expect(Object.isFrozen(message!.arguments)).toBe(true);
    }
    expect(heard.map(({ type }) => type)).toContain('anonymous');
    expect(JSON.stringify(heard)).not.toContain('secret');
    expect(asked).toHaveLength(2);
  });

  it('never change what the tool gets', async () => {
    redact = ({ args }) => {
      delete (args as { text?: string }).text;
      (args as typeof ARGS).deep.password = 'redacted';
      return args;
    };
    const [message] = await call(ARGS);
    expect(message!.arguments).toEqual({ noteId: 7, deep: { password: 'redacted' } });
    expect(got).toEqual(ARGS);
  });

  it.each<[string, () => unknown, McpMessageFacts['argumentsOmitted']]>([
    ['nothing', () => undefined, undefined],
    ['a promise', async () => ({}), 'not-json'],
    ['a promise that rejects', async () => Promise.reject(new Error('no')), 'not-json'],
    ['a bigint', () => 7n, 'not-json'],
    ['a function', () => () => ({}), 'not-json'],
    [
      'a circle',
      () =>
        Object.assign([] as unknown[], {
          0: got,
          toJSON: () => {
            throw new Error('no');
          },
        }),
      'not-json',
    ],
    ['text that is too long', () => 'x'.repeat(4_096), 'too-long'],
    [
      'an error',
      () => {
        throw new Error('no');
      },
      'redaction-failed',
    ],
  ])('are left out if the function returns %s, and the call goes on', async (_what, returns, omitted) => {
    redact = returns;
    const [message] = await call(ARGS);
    expect(message).not.toHaveProperty('arguments');
    expect(message!.argumentsOmitted).toBe(omitted);
    expect(got).toEqual(ARGS);
  });

  it('hold no token, of the caller or of another', async () => {
    const other = await server.mint({ sub: 'other' });
    const messages = await call({ text: `Bearer ${token}`, [other]: [other], part: token.split('.')[2] });
    expect(messages[0]!.arguments).toBeDefined();
    for (const secret of [token, other]) expectNoTrace(secret, { events: JSON.stringify(heard) });
  });

  it('are not told of a refused request, and not in the log', async () => {
    const messages = await call({ text: 'secret' }, { name: 'write-note' });
    expect(heard.map(({ type }) => type)).toContain('refused');
    expect(JSON.stringify(messages)).not.toContain('secret');
    expect(server.log.join('\n')).not.toContain('secret');
    expect(asked).toEqual([]);
  });

  it('are not asked for without a listener', async () => {
    await (await server.callTool('echo', token, ARGS)).text();
    expect(got).toEqual(ARGS);
    expect(asked).toEqual([]);
  });
});

it('events have the arguments that a list names, and spans have them if they are told to; metrics never', async () => {
  const telemetry = Telemetry.start();
  for (const isOn of [false, true]) {
    const server = await startNotesServer('express', {
      tools: [TOOL],
      imports: [McpAuthOpenTelemetryModule.forRoot({ toolArguments: isOn }) as never],
      options: { eventArguments: ['noteId', 'absent', 'constructor'] },
    });
    const told: unknown[] = [];
    server.app.get(McpAuthService).events$.subscribe((event) => {
      if (event.type === 'authenticated') told.push(event.messages[0]!.arguments);
    });
    const attributes = await telemetry.inSpan(async () => {
      await (await server.callTool('echo', await server.mint(), ARGS)).text();
    }, server);
    expect(told).toEqual([{ noteId: 7 }]);
    expect(attributes['gen_ai.tool.call.arguments']).toBe(isOn ? '{"noteId":7}' : undefined);
    expect(JSON.stringify(await telemetry.metrics())).not.toContain('noteId');
    await server.close();
  }
  await telemetry.stop();
});

it('events have no arguments by default', async () => {
  const server = await startNotesServer('express', { tools: [TOOL] });
  const told: McpMessageFacts[] = [];
  server.app.get(McpAuthService).events$.subscribe((event) => {
    if ('messages' in event) told.push(...event.messages);
  });
  await (await server.callTool('echo', await server.mint(), ARGS)).text();
  expect(told.length).toBeGreaterThan(0);
  for (const message of told) expect(Object.keys(message)).toEqual(['method', 'kind', 'name', 'isDeclared']);
  await server.close();
});

it.each([[true], ['noteId'], [[]], [['']], [{ echo: ['noteId'] }]])(
  'eventArguments must not be %j',
  (eventArguments) => {
    const options = { resource: 'https://mcp.example.com', authorizationServers: ['https://login.example.com'] };
    const read = (): unknown => readOptions({ ...options, eventArguments } as never);
    expect(read).toThrow(McpAuthConfigError);
    expect(read).toThrow(/eventArguments: saw .*must be a list.*Write the names of arguments to keep/s);
  },
);
