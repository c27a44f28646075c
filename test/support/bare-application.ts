import type { INestApplication, Type } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { McpAuthModule, type McpAuthModuleOptions } from 'nestjs-mcp-auth';
import { RECORDER } from './notes-server.js';
import { adapterFor, type Platform } from './platforms.js';

/** An application with nothing in it but the module, which listens nowhere. */
export async function initBareApplication(
  platform: Platform,
  options: McpAuthModuleOptions,
  providers: Type[] = [],
): Promise<INestApplication> {
  const module = await Test.createTestingModule({ imports: [McpAuthModule.forRoot(options)], providers })
    .setLogger(RECORDER)
    .compile();
  return module.createNestApplication(adapterFor(platform)).init();
}
