import 'reflect-metadata';
import { expect, it } from '@jest/globals';
import { Injectable, type Type } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { McpAuthModule, RequireScopes } from 'nestjs-mcp-auth';
import { McpTool as Tool } from 'nestjs-mcp-auth/sdk';

/** Puts another function in place of the method, and no metadata. */
const Transactional = (): MethodDecorator => (_target, _key, descriptor) => {
  const original = descriptor.value as (...args: unknown[]) => unknown;
  descriptor.value = function (this: unknown, ...args: unknown[]) {
    return original.apply(this, args);
  } as never;
};

class InOrder {
  // #region order
  @Tool({ name: 'add-note', description: 'Add a note' })
  @RequireScopes('notes:write')
  @Transactional()
  async addNote() {
    // …
  }
  // #endregion
}

class OutOfOrder {
  @Tool({ name: 'add-note', description: 'Add a note' })
  @Transactional()
  @RequireScopes('notes:write')
  async addNote() {}
}

async function start(classRef: Type): Promise<string> {
  Injectable()(classRef);
  const resource = 'https://mcp.example.com/mcp';
  const options = { resource, authorizationServers: ['https://login.example.com'], checkAuthorizationServers: false };
  const module = await Test.createTestingModule({
    imports: [McpAuthModule.forRoot(options)],
    providers: [classRef],
  }).compile();
  const outcome = await module.init().then(
    () => 'started',
    (error: Error) => error.message,
  );
  await module.close();
  return outcome;
}

it('starts with the order of the guide, and refuses the other one', async () => {
  expect(await start(InOrder)).toBe('started');
  expect(await start(OutOfOrder)).toContain(
    'OutOfOrder.addNote: saw @RequireScopes("notes:write"), which another decorator',
  );
});
