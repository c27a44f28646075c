import { withinTime } from '../core/deadline.js';

/** Longest time that a store of the application may take to answer, in milliseconds. One that takes longer counts as one that fails. */
const LIMIT = { timeoutMs: 5_000 };

/** Ends the wait for an answer that does not come. One that is there already costs nothing. */
export function boundedAnswer<T>(answer: T | PromiseLike<T>): T | Promise<T> {
  return isPromise(answer) ? withinTime(async () => answer, LIMIT) : answer;
}

function isPromise<T>(answer: T | PromiseLike<T>): answer is PromiseLike<T> {
  return typeof answer === 'object' && answer !== null && 'then' in answer;
}
