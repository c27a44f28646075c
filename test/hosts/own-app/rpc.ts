/** Requests to an MCP server of 2025-11-25, and the count of what held. */
import { strict as assert } from 'node:assert';
import { parseChallenges, type TestIssuer } from 'nestjs-mcp-auth/testing';

/** An MCP server to check. */
export interface Host {
  readonly issuer: TestIssuer;
  readonly resource: string;
  /** An endpoint of the same server to which no guard leads. */
  readonly around: string;
  /** Whether requests belong to sessions. */
  readonly hasSessions: boolean;
  /** Whether it serves one session at a time, so that each has to be closed before the next. */
  readonly isSingle: boolean;
  /** Names of the handlers that ran. */
  readonly ran: string[];
}

export interface Answer {
  readonly status: number;
  readonly challenge: Readonly<Record<string, string>> | undefined;
  readonly session: string | null;
  readonly result?: {
    readonly isError?: boolean;
    readonly content?: readonly { readonly text: string }[];
    readonly contents?: readonly { readonly text: string }[];
    readonly messages?: readonly { readonly content: { readonly text: string } }[];
    readonly tools?: readonly {
      readonly name: string;
      readonly securitySchemes?: unknown;
      readonly _meta?: { readonly securitySchemes?: unknown };
    }[];
    readonly _meta?: { readonly 'mcp/www_authenticate'?: readonly string[] };
  };
  readonly error?: { readonly code: number; readonly message: string };
}

interface Credentials {
  readonly token?: string;
  readonly session?: string;
}

export type Call = readonly [method: string, params: object];

let passed = 0;
let failed = 0;

export async function check(ran: string[], name: string, work: () => Promise<void>): Promise<void> {
  ran.length = 0;
  try {
    await work();
    passed += 1;
  } catch (error) {
    failed += 1;
    console.error(`✗ ${name}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Prints how many checks passed, and ends the process. */
export async function finish(main: Promise<void>): Promise<void> {
  try {
    await main;
    console.log(`${passed} passed, ${failed} failed`);
    process.exit(failed > 0 ? 1 : 0);
  } catch (error) {
    console.error(error);
    process.exit(1);
  }
}

let id = 0;

export async function rpc(
  url: string,
  method: string,
  params: object,
  { token, session }: Credentials = {},
): Promise<Answer> {
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2025-11-25',
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(session !== undefined && { 'mcp-session-id': session }),
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: ++id, method, params }),
    // What the framework cannot write as JSON it never answers.
    signal: AbortSignal.timeout(10_000),
  });
  const body = await response.text();
  const challenge = parseChallenges([response.headers.get('www-authenticate') ?? []].flat())[0]?.params;
  const message = (body.startsWith('{') ? JSON.parse(body) : {}) as Pick<Answer, 'result' | 'error'>;
  return { status: response.status, challenge, session: response.headers.get('mcp-session-id'), ...message };
}

export const tool = (name: string, args: object = {}): Call => ['tools/call', { name, arguments: args }];

export function valueOf({ status, result }: Pick<Answer, 'status' | 'result'>): unknown {
  assert.equal(status, 200);
  assert.notEqual(result?.isError, true, JSON.stringify(result));
  return JSON.parse(result?.content?.[0]?.text ?? 'null');
}

let closeLast = (): Promise<unknown> => Promise.resolve();

export async function open({ resource, isSingle }: Host, token?: string, url = resource): Promise<string> {
  if (isSingle) await closeLast();
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'checks', version: '1.0.0' } };
  const { session, status } = await rpc(url, 'initialize', params, token === undefined ? {} : { token });
  assert.ok(session !== null, `no session was opened: ${status}`);
  const headers = { 'mcp-session-id': session, ...(token !== undefined && { authorization: `Bearer ${token}` }) };
  // The server may have been closed since.
  closeLast = () => fetch(url, { method: 'DELETE', headers }).catch(() => undefined);
  return session;
}

/** A way to call, in a session of its own where there are sessions. */
export async function caller(host: Host, claims: object): Promise<(...call: Call) => Promise<Answer>> {
  const token = await host.issuer.mint({ aud: host.resource, ...claims });
  const session = host.hasSessions ? await open(host, token) : undefined;
  return (method, params) => rpc(host.resource, method, params, { token, ...(session !== undefined && { session }) });
}

/** Calls where no guard is passed. */
export async function callAround(host: Host, ...[method, params]: Call): Promise<Answer> {
  const session = host.hasSessions ? await open(host, undefined, host.around) : undefined;
  return rpc(host.around, method, params, session === undefined ? {} : { session });
}
