import type { ExecutionContext } from '@nestjs/common';
import { nodeRequest, type HttpRequest } from './http-message.js';

/** A request that the library makes at the start, to learn which handler serves a resource. Clients cannot send one. */
export interface StartQuestion {
  /** The instance of the module that sent the request. The guard of another instance treats it like any other request. */
  readonly instance: object;
  /** The context in which the guard received the request; undefined until then. */
  context: ExecutionContext | undefined;
}

/** The property of Node's request that holds the question. */
const QUESTION = Symbol('question');

interface MarkedRequest {
  [QUESTION]?: StartQuestion;
}

/** Marks one of Node's requests as a question. */
export function askWith(request: object, question: StartQuestion): void {
  (request as MarkedRequest)[QUESTION] = question;
}

/** The question that this instance asks with a request; undefined for every request of a client. */
export function questionOf(request: HttpRequest, instance: object): StartQuestion | undefined {
  const question = (nodeRequest(request) as MarkedRequest)[QUESTION];
  return question?.instance === instance ? question : undefined;
}

/** Whether a request is a question of any instance. */
export function isQuestion(request: HttpRequest): boolean {
  return (nodeRequest(request) as MarkedRequest)[QUESTION] !== undefined;
}
