import { once } from 'node:events';
import { IncomingMessage, ServerResponse, type Server } from 'node:http';
import { Socket } from 'node:net';
import { Writable } from 'node:stream';
import type { INestApplication } from '@nestjs/common';

/** A request that no network brought. */
export interface AdapterRequest {
  /** @default 'GET' */
  readonly method?: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON. */
  readonly body?: string | undefined;
  /** What Node's list of the fields as sent has. @default 'full' */
  readonly rawHeaders?: 'full' | 'empty' | 'absent';
}

/**
 * Hands a request to a server without a network, as `inject()` of Fastify and adapters for serverless platforms do: everything
 * below it runs within what is around it.
 */
export async function dispatch(
  app: INestApplication,
  { method = 'GET', path, headers, body, rawHeaders = 'full' }: AdapterRequest,
): Promise<{ status: number; body: string }> {
  const request = new IncomingMessage(new Socket());
  const all = {
    host: '127.0.0.1',
    ...headers,
    ...(body !== undefined && { 'content-type': 'application/json', 'content-length': `${Buffer.byteLength(body)}` }),
  };
  Object.assign(request, { method, url: path, complete: true, headers: all });
  Object.assign(request, {
    rawHeaders: { full: Object.entries(all).flat(), empty: [], absent: undefined }[rawHeaders],
  });
  if (body !== undefined) request.push(body);
  request.push(null);
  const written: Buffer[] = [];
  const response = new ServerResponse(request);
  response.assignSocket(
    new Writable({ write: (chunk: Buffer, _encoding, done) => (written.push(chunk), done()) }) as Socket,
  );
  const finished = once(response, 'finish');
  (app.getHttpServer() as Server).emit('request', request, response);
  await finished;
  const [, text = ''] = /\r\n\r\n(.*)$/s.exec(Buffer.concat(written).toString()) ?? [];
  return { status: response.statusCode, body: text };
}
