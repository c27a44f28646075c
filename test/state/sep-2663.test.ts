import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { All, Controller, Req, Res, type Type } from '@nestjs/common';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import type { TestIssuer } from 'nestjs-mcp-auth/testing';
import { z } from 'zod';
import { expectRefusal, resetRecorded, messagesOf } from '../support/expectations.js';
import { MCP_2026_META, mcp2026Headers } from '../support/mcp-2026.js';
import type { NotesServer } from '../support/notes-server.js';
import { ASKERS, startWithTwoIssuers, tokenOf } from '../support/owners.js';
import { PLATFORMS, type PlatformRequest, type PlatformResponse } from '../support/platforms.js';
import type { Serve } from '../sdk/sdk-server.js';

const NOT_FOUND = { code: -32_602, message: 'Failed to retrieve task: Task not found' };
const METHODS = ['tasks/get', 'tasks/update', 'tasks/cancel'] as const;

/** The tasks extension of 2026-07-28, on version 2 of the official SDK, which knows its methods by name only. */
function tasksEndpoint(responseMode: 'auto' | 'sse', tasks: Map<string, string>, asked: string[]): Type {
  const handler = createMcpHandler(
    () => {
      const mcp = new McpServer({ name: 'tasks', version: '1' }, { capabilities: { tools: {} } });
      const server = mcp.server;
      server.setRequestHandler('tools/call', async ({ params }, { http }) => {
        const caller = String((http?.authInfo as { subject?: string } | undefined)?.subject);
        const taskId = randomUUID();
        tasks.set(taskId, `${params.name} for ${caller}`);
        return {
          resultType: 'task',
          taskId,
          status: 'working',
          createdAt: '',
          lastUpdatedAt: '',
          ttlMs: null,
        } as never;
      });
      const params = z.object({ taskId: z.string(), inputResponses: z.unknown().optional() });
      for (const method of METHODS) {
        server.setRequestHandler(method, { params }, async ({ taskId }) => {
          asked.push(`${method} ${taskId}`);
          return {
            resultType: 'complete',
            taskId,
            status: 'completed',
            result: { content: [{ type: 'text', text: tasks.get(taskId) }] },
          };
        });
      }
      return mcp;
    },
    { responseMode } as never,
  );
  const serve = toNodeHandler(handler) as Serve;

  @Controller(responseMode)
  class TasksEndpoint {
    @All()
    async handle(@Req() request: PlatformRequest, @Res() response: PlatformResponse): Promise<void> {
      response.hijack?.();
      await serve(request.raw ?? request, response.raw ?? response, request.body ?? undefined);
    }
  }
  return TasksEndpoint;
}

describe.each(PLATFORMS)('tasks of SEP-2663, on %s', (platform) => {
  const tasks = new Map<string, string>();
  const asked: string[] = [];
  let server: NotesServer;
  let other: TestIssuer;
  let close: () => Promise<void>;
  let alice: string;
  beforeAll(async () => {
    ({ server, other, close } = await startWithTwoIssuers(platform, {
      options: { scopes: { operations: { tools: { report: ['reports'] } } } },
      controllers: [tasksEndpoint('auto', tasks, asked), tasksEndpoint('sse', tasks, asked)],
    }));
    alice = await server.mint({ sub: 'alice', scope: 'reports' });
  });
  afterAll(() => close());
  beforeEach(() => {
    asked.length = 0;
    resetRecorded(server);
  });

  const send = (
    path: string,
    method: string,
    params: Record<string, unknown>,
    token: string | undefined,
    name?: string,
  ): Promise<Response> => {
    const mirrored = name ?? params['name'] ?? params['taskId'];
    return fetch(`${server.origin}/${path}`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        ...mcp2026Headers(method, typeof mirrored === 'string' ? mirrored : undefined),
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { ...params, _meta: MCP_2026_META } }),
    });
  };
  const answerOf = async (response: Response): Promise<Record<string, unknown>> => {
    expect(response.status).toBe(200);
    const messages = messagesOf(await response.text());
    return messages.find((message) => (message as { id?: unknown }).id === 1) as Record<string, unknown>;
  };
  const createTask = async (path: string, token: string): Promise<string> => {
    const { result } = await answerOf(await send(path, 'tools/call', { name: 'report', arguments: {} }, token));
    return (result as { taskId: string }).taskId;
  };

  describe.each(['auto', 'sse'])('answered as %s', (path) => {
    it.each(ASKERS)('SEP2663-AUTH-a: each method, asked by $name', async (asker) => {
      const taskId = await createTask(path, alice);
      const token = await tokenOf(asker, server, other, 'reports');
      for (const method of METHODS) {
        asked.length = 0;
        const answer = await answerOf(await send(path, method, { taskId }, token));
        if (asker.isOwner) {
          expect(answer['error']).toBeUndefined();
          expect(asked).toEqual([`${method} ${taskId}`]);
        } else {
          expect(answer).toEqual({ jsonrpc: '2.0', id: 1, error: NOT_FOUND });
          expect(await answerOf(await send(path, method, { taskId: randomUUID() }, token))).toEqual(answer);
          expect(asked).toEqual([]);
        }
      }
    });

    it('OA21-5.2-a: asks for a task what the tool asks that has created it', async () => {
      const taskId = await createTask(path, alice);
      const without = await server.mint({ sub: 'alice', scope: '' });
      for (const method of METHODS) {
        resetRecorded(server);
        const response = await send(path, method, { taskId }, without);
        await expectRefusal(server, response, { status: 403, error: 'insufficient_scope', scope: 'reports' });
      }
      expect(asked).toEqual([]);
    });

    it.each(ASKERS)('LIB-23: subscriptions/listen to the task, by $name', async (asker) => {
      const taskId = await createTask(path, alice);
      const token = await tokenOf(asker, server, other, 'reports');
      const own = await createTask(path, token);
      const response = await send(path, 'subscriptions/listen', { notifications: { taskIds: [own, taskId] } }, token);
      if (asker.isOwner) {
        // What becomes of it is up to the MCP framework.
        expect(response.headers.get('content-type')).toMatch('text/event-stream');
        await response.body?.cancel();
      } else expect(await answerOf(response)).toEqual({ jsonrpc: '2.0', id: 1, error: NOT_FOUND });
    });

    it.each(METHODS)('MCP-TR-04-b: refuses %s with the id of another task in Mcp-Name', async (method) => {
      const taskId = await createTask(path, alice);
      const another = await createTask(path, alice);
      const response = await send(path, method, { taskId }, alice, another);
      await expectRefusal(server, response, { status: 400, transport: 'header_mismatch' });
      expect(asked).toEqual([]);
    });

    it.each(METHODS)('SEP2575-SEC-a: lets nobody send %s without a token', async (method) => {
      const taskId = await createTask(path, alice);
      await expectRefusal(server, await send(path, method, { taskId }, undefined), { status: 401 });
    });
  });
});
