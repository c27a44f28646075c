import type { ServerResponse } from 'node:http';
import { Injectable } from '@nestjs/common';
import type { AccessRequest } from '../authorization/access-request.js';
import { refusedRequestOf } from '../authorization/refused-requests.js';
import { invalidToken } from '../core/error.js';
import { Revocations } from '../revocation/revocations.js';
import { Responder } from './responder.js';
import { endStream, isStream } from './stream-answer.js';

/** Header fields that describe a body, which the refusal does not have. */
const FIELDS_OF_BODY = [
  'content-length',
  'content-encoding',
  'content-disposition',
  'content-range',
  'etag',
  'last-modified',
];

/** The methods with which an answer is written. Frameworks and middleware replace some of them. */
const METHODS = ['write', 'end', 'writeHead', 'flushHeaders'] as const;

/** What may be called after an answer was ended, and must then do nothing: some of these throw otherwise. */
const MUTED = ['setHeader', 'setHeaders', 'appendHeader', 'removeHeader'] as const;

/**
 * Ends the answer to a caller whose token is revoked meanwhile: a stream at once, and an answer that has not begun with the refusal.
 * An answer that has begun and has a fixed size, such as a file, is sent to its end.
 *
 * Does NOT stop the handler. It finds its connection closed, and what it writes is dropped.
 */
@Injectable()
export class RevokedAnswers {
  constructor(
    private readonly revocations: Revocations,
    private readonly responder: Responder,
  ) {}

  /** Call it before the request is answered. Does nothing if nothing can be revoked. */
  watch(response: ServerResponse, access: AccessRequest): void {
    if (!access.caller || !this.revocations.isOn) return;
    const unwatch = this.revocations.watch(access.caller, () => this.#end(response, access));
    if (unwatch) response.once('close', unwatch);
  }

  /** Never throws: the answers to other callers have to end, too. */
  #end(response: ServerResponse, access: AccessRequest): void {
    if (response.writableEnded) return;
    try {
      if (!response.headersSent) this.#refuse(response, access);
      else if (isStream(response.getHeader('content-type'))) endStream(response);
    } catch {
      // The application may have changed the response so that nothing can be written. Then nothing of it may be sent either.
      response.destroy();
    }
  }

  /** Writes on Node's response itself: the framework may have taken it over, or be about to write. */
  #refuse(response: ServerResponse, access: AccessRequest): void {
    for (const method of METHODS) Reflect.deleteProperty(response, method);
    for (const name of FIELDS_OF_BODY) response.removeHeader(name);
    const refusal = this.responder.refusalOf(invalidToken('revoked'), refusedRequestOf(access));
    this.responder.putHeaders(response, refusal);
    response.setHeader('Content-Type', 'application/json; charset=utf-8');
    response.writeHead(refusal.status);
    response.end(JSON.stringify(refusal.body));
    mute(response);
  }
}

function mute(response: ServerResponse): void {
  response.write = () => true;
  for (const method of [...METHODS.slice(1), ...MUTED]) Object.assign(response, { [method]: () => response });
}
