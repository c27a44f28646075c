/** The application that is protected: an MCP server on @rekog/mcp-nest with three tools, and the library as it is built. */
import 'reflect-metadata';
import '@nestjs/microservices';
import { Controller, Inject, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { McpController, McpHttpControllerFor, McpStrategy, StreamableHttpTransport, Tool } from '@rekog/mcp-nest';
import { AuthInfo, McpAuthDownstream, McpAuthModule, RequireScopes } from '../../dist/index.js';
import { callRequest, resultIn } from '../client/call.js';
import { claimsOf } from '../client/oauth.js';
import { decorate } from './decorate.js';
import { log } from './log.js';

export const SCOPES = ['notes:read', 'notes:write'];

/**
 * Starts the application.
 *
 * @param {{ port: number, options: import('../../dist/index.js').McpAuthModuleOptions,
 *   tls?: import('node:tls').TlsOptions }} settings
 */
export async function startNotesApp({ port, options, tls }) {
  const transport = new StreamableHttpTransport({ statefulMode: false });
  class McpEndpoint extends McpHttpControllerFor(transport) {}
  Controller('mcp')(McpEndpoint);
  class AppModule {}
  const tools = [notesTools(), ...(options.downstream ? [apiTools(options.downstream)] : [])];
  Module({ imports: [McpAuthModule.forRoot(options)], controllers: [McpEndpoint, ...tools] })(AppModule);
  const app = await NestFactory.create(AppModule, { logger: log, abortOnError: false, httpsOptions: tls });
  // The next application has the same port: clients must not send it a request on a connection to this one.
  app.use((_request, response, next) => {
    response.setHeader('connection', 'close');
    next();
  });
  app.connectMicroservice({ strategy: new McpStrategy({ name: 'notes', version: '1.0.0', transports: [transport] }) });
  await app.startAllMicroservices();
  await app.listen(port, '127.0.0.1');
  return { close: () => app.close() };
}

/** The tools of a server, as a new class: Nest keeps what decorators say on the class itself. */
function notesTools() {
  class NotesTools {
    whoami({ principalKey, kind, proof }) {
      return { principalKey, kind, proof: proof?.method };
    }

    listNotes() {
      return [];
    }

    deleteNote() {
      return { deleted: true };
    }
  }
  decorate(NotesTools, 'whoami', [Tool({ name: 'whoami', description: 'Tell who is calling' })], [AuthInfo()]);
  decorate(NotesTools, 'listNotes', [
    Tool({ name: 'list-notes', description: 'List your notes' }),
    RequireScopes('notes:read'),
  ]);
  decorate(NotesTools, 'deleteNote', [
    Tool({ name: 'delete-note', description: 'Delete your last note' }),
    RequireScopes('notes:write'),
  ]);
  McpController()(NotesTools);
  return NotesTools;
}

/**
 * A tool that calls the MCP server of `downstream.api` with a token for it, and tells what that one answered and what the claims
 * of the token say. A real tool tells nothing of its token.
 */
function apiTools({ api }) {
  class ApiTools {
    constructor(apis) {
      this.apis = apis;
    }

    async callApi() {
      const response = await this.apis.fetch('api', `${api.origins[0]}/mcp`, {
        method: 'POST',
        ...callRequest(undefined, 'whoami'),
      });
      const text = await response.text();
      const { aud, act } = claimsOf(await this.apis.tokenFor('api')) ?? {};
      return { status: response.status, result: response.ok ? resultIn(text) : undefined, aud, act };
    }
  }
  Inject(McpAuthDownstream)(ApiTools, undefined, 0);
  decorate(ApiTools, 'callApi', [Tool({ name: 'call-api', description: 'Call another API' })]);
  McpController()(ApiTools);
  return ApiTools;
}
