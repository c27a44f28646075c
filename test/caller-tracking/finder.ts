import { Inject, Injectable } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { McpAuthService, type McpAuthInfo } from 'nestjs-mcp-auth';

/** Has the service without injecting it, so that nothing about its class says so. */
@Injectable()
export class Finder {
  constructor(@Inject(ModuleRef) private readonly modules: ModuleRef) {}

  get authInfo(): McpAuthInfo | undefined {
    return this.modules.get(McpAuthService, { strict: false }).authInfo;
  }

  /** In turns, so that concurrent calls mix. */
  async subject(turns = 1): Promise<string | null> {
    for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
    return this.authInfo?.subject ?? null;
  }
}
