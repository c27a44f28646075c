import type { LoggerService } from '@nestjs/common';
import { Observable, Subscriber, type Observer, type Operator, type Subscription } from 'rxjs';
import { writeLine } from './log-line.js';

type Failed = (error: unknown) => void;

/**
 * An observable whose subscribers cannot end the process. In RxJS, an unhandled error of a subscriber or an operator
 * ends the process; here it goes to the log. A subscriber that threw still gets later events; a chain of operators that
 * failed does not.
 */
export class SafeObservable<T> extends Observable<T> {
  readonly #failed: Failed;

  constructor(source: Observable<T>, failed: Failed) {
    super((subscriber) => source.subscribe(subscriber));
    this.#failed = failed;
  }

  override subscribe(
    observerOrNext?: Partial<Observer<T>> | ((value: T) => void) | null,
    ...others: Callbacks
  ): Subscription {
    if (observerOrNext instanceof Subscriber) return super.subscribe(observerOrNext);
    const [error, complete] = others;
    const observer = typeof observerOrNext === 'object' ? observerOrNext : { next: observerOrNext, error, complete };
    return super.subscribe(sheltered(observer ?? {}, this.#failed));
  }

  /** Protects the result of `pipe` as well. */
  override lift<R>(operator?: Operator<T, R>): Observable<R> {
    const lifted = new SafeObservable<R>(this as unknown as Observable<R>, this.#failed);
    lifted.source = this as unknown as Observable<R>;
    lifted.operator = operator as unknown as Operator<unknown, R>;
    return lifted;
  }
}

type Callbacks = [error?: ((error: unknown) => void) | null, complete?: (() => void) | null];

function sheltered<T>(observer: Loose<T>, failed: Failed): Observer<T> {
  const safely =
    <Args extends unknown[]>(run: ((...args: Args) => void) | null | undefined) =>
    (...args: Args): void => {
      try {
        const result: unknown = run?.apply(observer, args);
        // An async function rejects later; an unhandled rejection would end the process.
        if (result instanceof Promise) result.catch(failed);
      } catch (error) {
        failed(error);
      }
    };
  return { next: safely(observer.next), error: safely(observer.error ?? failed), complete: safely(observer.complete) };
}

interface Loose<T> {
  readonly next?: ((value: T) => void) | null | undefined;
  readonly error?: ((error: unknown) => void) | null | undefined;
  readonly complete?: (() => void) | null | undefined;
}

/** Logs that a subscriber failed. Writes only the name of its error, because the message may contain anything. */
export function tellOfFailure(logger: Pick<LoggerService, 'error'>): Failed {
  return (error) =>
    writeLine(logger, 'error', `A subscriber to events$ failed: ${error instanceof Error ? error.name : typeof error}`);
}
