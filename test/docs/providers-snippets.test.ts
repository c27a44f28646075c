import 'reflect-metadata';
import { expect, it } from '@jest/globals';
import { Test } from '@nestjs/testing';
import { McpAuthService } from 'nestjs-mcp-auth';
import * as snippets from './providers-snippets.js';

it.each(Object.entries(snippets))('docs/providers.md: the code of %s starts', async (_name, snippet) => {
  const module = await Test.createTestingModule({ imports: [snippet] }).compile();
  expect(module.get(McpAuthService, { strict: false })).toBeInstanceOf(McpAuthService);
  await module.close();
});
