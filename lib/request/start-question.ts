import type { ExecutionContext } from '@nestjs/common';
import { nodeRequest, type HttpRequest } from './http-message.js';

/** A request that the library makes at the start, to learn who answers at the path of a resource. No client can make one. */
export interface StartQuestion {
  /** The instance of the module that asks: the guard of another one answers as to anybody. */
  readonly instance: object;
  /** What the guard was asked about; undefined as long as the request has not reached it. */
  context: ExecutionContext | undefined;
}

/** On Node's request: the question that is asked with it. */
const QUESTION = Symbol('question');

interface Asking {
  [QUESTION]?: StartQuestion;
}

/** Marks a request of Node's as one that asks. */
export function askWith(request: object, question: StartQuestion): void {
  (request as Asking)[QUESTION] = question;
}

/** The question that this instance asks with a request; undefined for every request of a client. */
export function questionOf(request: HttpRequest, instance: object): StartQuestion | undefined {
  const question = (nodeRequest(request) as Asking)[QUESTION];
  return question?.instance === instance ? question : undefined;
}

/** Whether any instance asks a question with this request. */
export function isQuestion(request: HttpRequest): boolean {
  return (nodeRequest(request) as Asking)[QUESTION] !== undefined;
}
