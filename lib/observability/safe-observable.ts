import type { LoggerService } from '@nestjs/common';
import { Observable, Subscriber, type Observer, type Operator, type Subscription } from 'rxjs';
import { writeLine } from './log-line.js';

type Failed = (error: unknown) => void;

/**
 * An observable whose subscribers cannot do harm. By the rules of RxJS an error that a subscriber throws ends the process,
 * and one that an operator throws does too, unless there is somebody to handle it; here, both are told to the log. A
 * subscriber that throws goes on being told; a chain of operators that has failed does not.
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

  /** What `pipe` makes of it is sheltered as well. */
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
        // An async function fails later, and where nobody is told, that ends the process.
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

/** Tells the log that a subscriber has failed. Its errors are its own: they are not quoted here in full. */
export function tellOfFailure(logger: Pick<LoggerService, 'error'>): Failed {
  return (error) =>
    writeLine(logger, 'error', `A subscriber to events$ failed: ${error instanceof Error ? error.name : typeof error}`);
}
