import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { methodOfClass } from '../../lib/core/class-methods.js';
import { SystemClock, timeBetween } from '../../lib/core/clock.js';
import { deepFreeze } from '../../lib/core/deep-freeze.js';
import { isJson, mediaTypeOf } from '../../lib/core/media-type.js';
import { continueWith } from '../../lib/core/maybe-promise.js';
import { isPrincipalKind } from '../../lib/core/principal-kind.js';
import { isRecord, ownMember } from '../../lib/core/record.js';
import { behaviourOf } from '../../lib/core/tool-behaviour.js';

describe('a media type', () => {
  it.each<[unknown, string]>([
    ['application/json', 'application/json'],
    [' Application/JSON ; charset=utf-8; a=b', 'application/json'],
    [';charset=utf-8', ''],
    ['', ''],
    [undefined, ''],
    [null, ''],
    [['text/plain'], 'text/plain'],
  ])('of %j is %j', (value, type) => {
    expect(mediaTypeOf(value)).toBe(type);
  });

  it.each<[string, boolean]>([
    ['application/json', true],
    ['application/problem+json', true],
    ['application/vnd.example.v1+json', true],
    ['application/jwk-set+json', true],
    ['application/+json', false],
    ['application/a/b+json', false],
    ['application/problem+json5', false],
    ['x-application/problem+json', false],
    ['text/json', false],
    ['', false],
  ])('%j is JSON: %s', (type, isIt) => {
    expect(isJson(type)).toBe(isIt);
  });
});

describe('a record', () => {
  it.each<[unknown, boolean]>([
    [{}, true],
    [Object.create(null), true],
    [null, false],
    [[], false],
    ['text', false],
    [undefined, false],
    [() => undefined, false],
  ])('%#: %s', (value, isIt) => {
    expect(isRecord(value)).toBe(isIt);
  });

  it('has only members of its own', () => {
    expect(ownMember({ a: 1 }, 'a')).toBe(1);
    expect(ownMember({}, 'constructor')).toBeUndefined();
    expect(ownMember(Object.create({ a: 1 }) as Record<string, unknown>, 'a')).toBeUndefined();
  });
});

describe('a frozen value', () => {
  it('is the same one, frozen at every depth, also in lists and around a cycle', () => {
    const inner: Record<string, unknown> = { list: [{ a: 1 }] };
    const outer = { inner, none: null, text: 'a', nothing: undefined };
    inner['outer'] = outer;
    expect(deepFreeze(outer)).toBe(outer);
    expect([outer, inner, inner['list'], (inner['list'] as unknown[])[0]].every(Object.isFrozen)).toBe(true);
  });

  it('may be any value', () => {
    for (const value of ['a', 1, null, undefined, true]) expect(deepFreeze(value)).toBe(value);
  });
});

describe('a method of a class', () => {
  class Body {
    pipe(): string {
      return 'piped';
    }
    readonly text = 'a';
  }

  it('is found on the class and above, and is not taken from the object itself', () => {
    expect(methodOfClass(new Body(), 'pipe')?.()).toBe('piped');
    expect(methodOfClass(new (class extends Body {})(), 'pipe')?.()).toBe('piped');
    expect(methodOfClass(Object.assign(new Body(), { pipe: () => 'own' }), 'pipe')).toBeUndefined();
    expect(methodOfClass(new Body(), 'other')).toBeUndefined();
  });

  it('is never one of a plain object, nor a member that is no function', () => {
    expect(methodOfClass({ pipe: () => 'own' }, 'pipe')).toBeUndefined();
    expect(methodOfClass({}, 'toString')).toBeUndefined();
    expect(methodOfClass(Object.create(null) as object, 'pipe')).toBeUndefined();
    expect(methodOfClass(Object.create({ pipe: 'text' }) as object, 'pipe')).toBeUndefined();
  });

  it('sees the object through a getter of its class', () => {
    class Lazy {
      constructor(private readonly answer: string) {}
      get read(): () => string {
        return () => this.answer;
      }
    }
    expect(methodOfClass(new Lazy('seen'), 'read')?.()).toBe('seen');
  });
});

describe('a tool', () => {
  it.each<[unknown, string]>([
    [{ readOnlyHint: true }, 'read-only'],
    [{ readOnlyHint: true, destructiveHint: true }, 'read-only'],
    [{ readOnlyHint: 'true' }, 'destructive'],
    [{ readOnlyHint: false, destructiveHint: false }, 'additive'],
    [{ destructiveHint: 0 }, 'destructive'],
    [{ destructiveHint: true }, 'destructive'],
    [Object.create({ readOnlyHint: true }), 'destructive'],
    [Object.create({ destructiveHint: false }), 'destructive'],
    [{}, 'destructive'],
    [[], 'destructive'],
    [null, 'destructive'],
    [undefined, 'destructive'],
  ])('with %j is %s', (annotations, behaviour) => {
    expect(behaviourOf(annotations)).toBe(behaviour);
  });
});

it('a kind of principal is one of three words', () => {
  expect(['user', 'client', 'unknown'].every(isPrincipalKind)).toBe(true);
  expect(['', 'User', 'users', undefined, null, ['user']].some(isPrincipalKind)).toBe(false);
});

it('the time between two moments does not depend on their order', () => {
  expect([timeBetween(3, 10), timeBetween(10, 3), timeBetween(3, 3)]).toEqual([7, 7, 0]);
});

describe('the clock of the system', () => {
  const clock = new SystemClock();
  beforeEach(() => {
    jest.useFakeTimers({ now: 1_000 });
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  it('says the time, and what has passed of it', () => {
    const start = clock.monotonic();
    jest.advanceTimersByTime(250);
    expect([clock.now(), clock.monotonic() - start]).toEqual([1_250, 250]);
  });

  it('runs a function at its time, at once if that is past, and not at all if it is cancelled', () => {
    const ran: string[] = [];
    clock.schedule(1_500, () => ran.push('at its time'));
    clock.schedule(400, () => ran.push('at once'));
    clock.schedule(1_000 + 2 ** 40, () => ran.push('too early'));
    clock.schedule(1_200, () => ran.push('cancelled'))();
    jest.advanceTimersByTime(1);
    expect(ran).toEqual(['at once']);
    jest.advanceTimersByTime(498);
    expect(ran).toEqual(['at once']);
    jest.advanceTimersByTime(1);
    expect(ran).toEqual(['at once', 'at its time']);
  });
});

it('what follows a value happens at once, and what follows a promise after it', async () => {
  const next = (value: number): number => value + 1;
  expect(continueWith(1, next)).toBe(2);
  const later = continueWith(Promise.resolve(1), next);
  expect(later).toBeInstanceOf(Promise);
  expect(await later).toBe(2);
});
