import 'reflect-metadata';
import { type DynamicModule, type INestApplication, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { expect } from '@jest/globals';
import { McpAuthConfigError, McpAuthModule, type McpAuthModuleOptions } from 'nestjs-mcp-auth';
import { recorder, type LogLine } from '../support/log-lines.js';
import { adapterFor, listen, type Platform } from '../support/platforms.js';

export const RESOURCE = 'https://mcp.example.com/mcp';
export const ISSUER = 'https://login.example.com';

/** Nothing is asked for that no test is about. */
export const ONE = { resource: RESOURCE, authorizationServers: [ISSUER] };

export const GOOD = { ...ONE, checkAuthorizationServers: false };
export const METADATA = '/.well-known/oauth-protected-resource/mcp';

export interface StartedApp {
  readonly origin: string;
  readonly log: LogLine[];
}

export const running = new Set<INestApplication>();
export class AppModule {}

/** Starts an application with this module in it, as `main.ts` would. */
export async function start(
  module: DynamicModule,
  controllers: readonly Type[] = [],
  platform: Platform = 'express',
): Promise<StartedApp> {
  const log: LogLine[] = [];
  const root = { module: AppModule, imports: [module], controllers: [...controllers] };
  const app = await NestFactory.create(root, adapterFor(platform), { abortOnError: false, logger: recorder(log) });
  running.add(app);
  return { origin: await listen(app), log };
}

export async function stop(): Promise<void> {
  const ended = [...running];
  running.clear();
  await Promise.all(ended.map((app) => app.close()));
}

/** The error that a start is refused with; fails where it isn't refused. */
export async function refusal(
  module: () => DynamicModule,
  controllers: readonly Type[] = [],
  platform?: Platform,
): Promise<McpAuthConfigError> {
  const outcome: unknown = await Promise.resolve()
    .then(() => start(module(), controllers, platform))
    .catch((error: unknown) => error);
  if (outcome instanceof McpAuthConfigError) return outcome;
  throw outcome instanceof Error ? outcome : new Error('The application started');
}

/** What a start with these options is refused for. */
export function problems(options: unknown): Promise<McpAuthConfigError> {
  return refusal(() => McpAuthModule.forRoot(options as McpAuthModuleOptions));
}

/** Each problem says where, what was seen, why, and what to write; the message, which is what people see, says it all. */
export function expectHelpful(error: McpAuthConfigError): void {
  const count = error.problems.length === 1 ? 'one problem' : `${error.problems.length} problems`;
  expect(error.message).toContain(`The configuration of McpAuthModule has ${count}:`);
  expect(error.name).toBe('McpAuthConfigError');
  for (const { option, seen, why, write } of error.problems) {
    expect([option, seen, why, write]).toEqual(Array(4).fill(expect.stringMatching(/^\S(?:.*\S)?$/s)));
    expect(write).toMatch(/^(?:Write|Name|Remove|Keep|Choose|List|Known|Give|Return)\b/);
    expect(error.message).toContain(`  - ${option}: saw ${seen}; ${why}. ${write}`);
  }
}

export type Expected = readonly [option: string, seen: string, why: RegExp];
export type Row = readonly [what: string, options: object | null | string | undefined, ...expected: Expected[]];

/** The body of a test that has a row as its arguments. */
export async function expectProblems(...[, options, ...expected]: Row): Promise<void> {
  const error = await problems(options);
  expect(error.problems.map(({ option, seen, why }) => [option, seen, why])).toEqual(
    expected.map(([option, seen, why]) => [option, seen, expect.stringMatching(why)]),
  );
  expectHelpful(error);
}

/** A server or a resource that is right but for these members. */
export const server = (members: object): object => ({
  ...GOOD,
  authorizationServers: [{ issuer: ISSUER, ...members }],
});

export const withScopes = (scopes: unknown): object => ({ ...GOOD, scopes });
export const several = (...resources: unknown[]): object => ({ checkAuthorizationServers: false, resources });
export const HTTP_WHY = /plain http is accepted on loopback only/;
