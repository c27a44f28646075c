import { All, Controller, Req, Res, type Type } from '@nestjs/common';
import { toNodeHandler } from '@modelcontextprotocol/node';
import {
  McpServer as McpServerV1,
  ResourceTemplate as ResourceTemplateV1,
} from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { SubscribeRequestSchema, UnsubscribeRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { createMcpHandler, McpServer, ResourceTemplate } from '@modelcontextprotocol/server';
import { McpController, Resource, ResourceTemplate as NestResourceTemplate } from '@rekog/mcp-nest';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { PlatformRequest, PlatformResponse } from './platforms.js';

/** URIs and URI templates of resources without declarations. */
export interface Resources {
  readonly fixed: readonly string[];
  readonly templates: readonly string[];
}

const ABOUT = { name: 'resources', version: '1.0.0' };

const CAPABILITIES = { capabilities: { resources: { subscribe: true } } };

function contents(uri: string): { contents: { uri: string; text: string }[] } {
  return { contents: [{ uri, text: 'read' }] };
}

/**
 * Endpoints `sdk1` and `sdk2` of the official SDK, and handlers for `@rekog/mcp-nest`, with the same resources. Each adds
 * the URI or template that a client reads to `ran`; `sdk1` also adds the URI of a subscription.
 */
export function resourceHosts({ fixed, templates }: Resources, ran: () => string[]): Type[] {
  @Controller('sdk1')
  class Sdk1 {
    @All()
    async handle(@Req() request: PlatformRequest, @Res() response: PlatformResponse): Promise<void> {
      response.hijack?.();
      const server = new McpServerV1(ABOUT, CAPABILITIES);
      for (const uri of fixed) server.registerResource(uri, uri, {}, () => read(ran, uri));
      for (const one of templates)
        server.registerResource(one, new ResourceTemplateV1(one, { list: undefined }), {}, () => read(ran, one));
      for (const schema of [SubscribeRequestSchema, UnsubscribeRequestSchema] as const) {
        server.server.setRequestHandler(schema as typeof SubscribeRequestSchema, ({ params }) => {
          ran().push(params.uri);
          return {};
        });
      }
      const transport = new StreamableHTTPServerTransport({ enableJsonResponse: true });
      await server.connect(transport as Parameters<typeof server.connect>[0]);
      await transport.handleRequest(request.raw ?? request, response.raw ?? response, request.body);
    }
  }

  const handler = toNodeHandler(
    createMcpHandler(() => {
      const server = new McpServer(ABOUT, CAPABILITIES);
      for (const uri of fixed) server.registerResource(uri, uri, {}, () => read(ran, uri));
      for (const one of templates)
        server.registerResource(one, new ResourceTemplate(one, { list: undefined }), {}, () => read(ran, one));
      return server;
    }),
  ) as (request: IncomingMessage, response: ServerResponse, body: unknown) => Promise<void>;

  @Controller('sdk2')
  class Sdk2 {
    @All()
    async handle(@Req() request: PlatformRequest, @Res() response: PlatformResponse): Promise<void> {
      response.hijack?.();
      await handler(request.raw ?? request, response.raw ?? response, request.body);
    }
  }

  @McpController()
  class NestResources {}
  const methods: [string, MethodDecorator][] = [
    ...fixed.map((uri): [string, MethodDecorator] => [uri, Resource({ uri, name: uri }) as MethodDecorator]),
    ...templates.map((one): [string, MethodDecorator] => [
      one,
      NestResourceTemplate({ uriTemplate: one, name: one }) as MethodDecorator,
    ]),
  ];
  for (const [index, [name, decorate]] of methods.entries()) {
    const key = `read${index}`;
    const value = (): object => read(ran, name);
    Object.defineProperty(NestResources.prototype, key, { value, writable: true, configurable: true });
    decorate(
      NestResources.prototype,
      key,
      Object.getOwnPropertyDescriptor(NestResources.prototype, key) as PropertyDescriptor,
    );
  }
  return [Sdk1, Sdk2, NestResources];
}

function read(ran: () => string[], name: string): { contents: { uri: string; text: string }[] } {
  ran().push(name);
  return contents(name);
}
