import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { expect, it, jest } from '@jest/globals';
import { McpAuthConfigError, McpAuthHealthIndicator, McpAuthModule, McpAuthService } from 'nestjs-mcp-auth';
import { McpAuthOpenTelemetryModule } from 'nestjs-mcp-auth/opentelemetry';
import { startNotesServer } from '../support/notes-server.js';
import { Telemetry } from '../support/telemetry.js';

const OPTIONS = { resource: 'https://mcp.example.com/mcp', authorizationServers: ['https://login.example.com'] };
const MAIN = McpAuthModule.forRoot({ ...OPTIONS, checkAuthorizationServers: false });

/** The error with which the application does not start. */
async function refusalOf(imports: Parameters<typeof Test.createTestingModule>[0]['imports']): Promise<unknown> {
  return Test.createTestingModule({ imports: imports! })
    .compile()
    .then(
      () => undefined,
      (error: unknown) => error,
    );
}

it('McpAuthOpenTelemetryModule refuses to start without McpAuthModule, and says what to import', async () => {
  const error = await refusalOf([McpAuthOpenTelemetryModule]);
  expect(error).toBeInstanceOf(McpAuthConfigError);
  expect(String(error)).toContain('Import McpAuthModule.forRoot');
});

it.each([
  ['forRoot', (options: object) => McpAuthOpenTelemetryModule.forRoot(options)],
  ['forRootAsync', (options: object) => McpAuthOpenTelemetryModule.forRootAsync({ useFactory: () => options })],
])('McpAuthOpenTelemetryModule.%s reports every option that cannot be used', async (_name, moduleOf) => {
  const error = await refusalOf([MAIN, moduleOf({ principal: 'plain', metrics: 'yes', spans: true })]);
  expect(error).toBeInstanceOf(McpAuthConfigError);
  expect((error as McpAuthConfigError).problems.map(({ option }) => option).toSorted()).toEqual([
    'metrics',
    'principal',
    'spans',
  ]);
});

it('McpAuthOpenTelemetryModule.forRootAsync takes options from a factory', async () => {
  const telemetry = Telemetry.start();
  @Module({ imports: [McpAuthOpenTelemetryModule.forRootAsync({ useFactory: () => ({ metrics: false }) })] })
  class Async {}
  const server = await startNotesServer('express', { imports: [Async] });
  await server.callTool('ping');
  expect(await telemetry.metrics()).toEqual([]);
  await server.close();
  await telemetry.stop();
});

it('McpAuthOpenTelemetryModule does not turn the tracking of callers on', async () => {
  const server = await startNotesServer('express', { imports: [McpAuthOpenTelemetryModule] });
  const service = server.app.get(McpAuthService);
  expect(() => service.authInfo).toThrow('callers are not tracked');
  await server.close();
});

it('McpAuthOpenTelemetryModule works without an SDK, and records nothing after the application is closed', async () => {
  const without = await startNotesServer('express', { imports: [McpAuthOpenTelemetryModule] });
  expect((await without.callTool('ping', await without.mint())).status).toBe(200);
  await without.close();
  const telemetry = Telemetry.start();
  const server = await startNotesServer('express', { imports: [McpAuthOpenTelemetryModule] });
  const health = jest.spyOn(server.app.get(McpAuthHealthIndicator), 'isHealthy');
  await telemetry.metrics();
  expect(health).toHaveBeenCalledTimes(1);
  await server.close();
  await telemetry.metrics();
  expect(health).toHaveBeenCalledTimes(1);
  await telemetry.stop();
});
