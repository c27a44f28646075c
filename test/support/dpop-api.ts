import { Payload } from '@nestjs/microservices';
import { McpController, Tool } from '@rekog/mcp-nest';
import { z } from 'zod';
import { McpAuthDownstream, type DownstreamOptions, type McpAuthModuleOptions } from 'nestjs-mcp-auth';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { startNotesServer, type NotesServer } from './notes-server.js';
import type { Platform } from './platforms.js';

/** An MCP server whose tool calls an API that wants proofs: another server of this library, with `dpop: 'required'` and nonces. */
export interface DpopApi {
  readonly issuer: TestIssuer;
  /** The API. Its routes are those of a notes server. */
  readonly api: NotesServer;
  readonly server: NotesServer;
  /** The nonce that the authorization server wants in proofs; undefined for none. */
  nonce: string | undefined;
  close(): Promise<void>;
}

export interface DpopApiSettings {
  /** Changes the options of the API `notes`. */
  readonly notes?: Partial<DownstreamOptions>;
  /** Whether the API wants nonces. @default true */
  readonly hasNonces?: boolean;
}

/**
 * Starts all three. The tool `call` sends a request with `fetch`, and answers status and body; the tool `headers` answers the header
 * fields of `headersFor`, and `token` the token of `tokenFor`, as no real tool may.
 */
export async function startDpopApi(platform: Platform, settings: DpopApiSettings = {}): Promise<DpopApi> {
  const asked: { nonce: string | undefined } = { nonce: undefined };
  const issuer = await TestIssuer.start({ alg: 'ES256', tokenEndpoint: { dpopNonce: () => asked.nonce } });
  const nonce = { secret: 'a secret of the API, for nonces only' };
  const api = await startNotesServer(platform, {
    sharedIssuer: issuer,
    options: { dpop: { mode: 'required', ...(settings.hasNonces !== false && { nonce }) } },
  });
  const target = z.object({ url: z.string(), method: z.string().optional(), body: z.string().optional() });

  @McpController()
  class ApiTools {
    constructor(private readonly downstream: McpAuthDownstream) {}

    @Tool({ name: 'call', description: 'Calls the API', parameters: target })
    async call(@Payload() { url, ...init }: { url: string; method?: string; body?: string }): Promise<object> {
      const headers = { 'content-type': 'application/json' };
      const response = await this.downstream.fetch('notes', url, { ...init, headers });
      return textResult(`${response.status} ${await response.text()}`);
    }

    @Tool({ name: 'headers', description: 'The header fields', parameters: target })
    async headers(@Payload() { url, method = 'GET' }: { url: string; method?: string }): Promise<object> {
      return textResult(JSON.stringify(await this.downstream.headersFor('notes', { method, url })));
    }

    @Tool({ name: 'token', description: 'The token' })
    async token(): Promise<object> {
      return textResult(await this.downstream.tokenFor('notes'));
    }
  }

  const { clientId, clientSecret } = issuer.tokenClient;
  const notes: DownstreamOptions = {
    grant: 'token-exchange',
    clientId,
    auth: { method: 'client_secret_basic', clientSecret },
    audience: api.resource,
    scopes: ['a', 'b'],
    origins: [api.origin],
    dpop: true,
    ...settings.notes,
  };
  const options = { dpop: 'accepted', downstream: { notes } } as Partial<McpAuthModuleOptions>;
  const server = await startNotesServer(platform, { sharedIssuer: issuer, options, controllers: [ApiTools] });
  return Object.assign(asked, {
    issuer,
    api,
    server,
    close: async () => {
      await server.close();
      await api.close();
      await issuer.close();
    },
  });
}

function textResult(text: string): object {
  return { content: [{ type: 'text', text }] };
}
