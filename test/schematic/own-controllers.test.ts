import { describe, expect, it } from '@jest/globals';
import { parseSync } from '@swc/core';
import { addMcpAuth } from '../../lib/schematics/add-mcp-auth.js';
import { MemoryTree, RecordingContext } from './memory-tree.js';

const MANIFEST = JSON.stringify({
  name: 'app',
  type: 'module',
  dependencies: { '@nestjs/core': '^12.0.1', 'nestjs-mcp-auth': '^0.1.0' },
  devDependencies: { vitest: '^4.0.0' },
});

const MAIN = `import { NestFactory } from '@nestjs/core';
import { AppModule } from './app.module.js';
const app = await NestFactory.create(AppModule);
await app.listen(3000);
`;

const MODULE = `import { Module } from '@nestjs/common';

@Module({
  imports: [],
})
export class AppModule {}
`;

/** What `nest new` writes. */
const GENERATED = `import { Controller, Get } from '@nestjs/common';
import { AppService } from './app.service.js';

@Controller()
export class AppController {
  constructor(private readonly appService: AppService) {}

  @Get()
  getHello(): string {
    return this.appService.getHello();
  }
}
`;

const ORDERS = `import { Controller, Get } from '@nestjs/common';

@Controller('orders')
@SomethingElse({ with: 'braces' })
export class OrdersController {
  @Get(':id')
  one() {}
}
`;

const ALL = 'McpAuthModule.forRootAsync(mcpAuthConfig.asProvider()),';
const MCP = "McpAuthModule.forRootAsync({ ...mcpAuthConfig.asProvider(), globalGuard: 'mcp' }),";

async function add(files: Readonly<Record<string, string>>): Promise<{ tree: MemoryTree; said: string }> {
  const tree = new MemoryTree({ 'package.json': MANIFEST, 'src/main.ts': MAIN, 'src/app.module.ts': MODULE, ...files });
  const context = new RecordingContext();
  await addMcpAuth(tree, context, {});
  return { tree, said: context.messages.join('\n') };
}

describe('nest add nestjs-mcp-auth, in an application with controllers of its own', () => {
  it('leaves their routes alone, and says so and how to change it', async () => {
    const { tree, said } = await add({ 'src/app.controller.ts': GENERATED, 'src/orders/orders.controller.ts': ORDERS });
    expect(tree.text('src/app.module.ts')).toContain(MCP);
    parseSync(tree.text('src/app.module.ts'), { syntax: 'typescript', decorators: true });
    expect(said).toContain("This application has controllers of its own (OrdersController), so globalGuard is 'mcp':");
    expect(said).toContain('To protect every route, remove globalGuard from the imports of the root module.');
    expect(said).not.toMatch(/protects every route of this application|@Public\(\)/);
  });

  it.each<[string, string]>([
    ['a route more in the controller of nest new', GENERATED.replace(/\}\n$/, "\n  @Post('x')\n  post() {}\n}\n")],
    ['an event stream', "@Controller('events')\nexport class Events {\n  @Sse()\n  stream() {}\n}\n"],
    ['routes of a base class', "@Controller('cats')\nexport class Cats extends Crud({ of: Cat }) {}\n"],
    ['an exported default', "@Controller('a')\nexport default class A {\n  @All()\n  all() {}\n}\n"],
    ['an abstract class before it', "abstract class B {}\n@Controller('a')\nclass A {\n  @Put()\n  put() {}\n}\n"],
  ])('finds %s', async (_what, text) => {
    expect((await add({ 'src/some.ts': text })).tree.text('src/app.module.ts')).toContain(MCP);
  });

  it('names three of many', async () => {
    const files = ['A', 'B', 'C', 'D', 'E'].map((name) => [
      `src/${name}.ts`,
      ORDERS.replace('OrdersController', `${name}Controller`),
    ]);
    const { said } = await add(Object.fromEntries(files) as Record<string, string>);
    expect(said).toContain('(AController, BController, CController, 2 more)');
  });

  it.each<[string, Record<string, string>]>([
    ['none', {}],
    ['the one of nest new', { 'src/app.controller.ts': GENERATED }],
    [
      'one of @rekog/mcp-nest',
      {
        'src/mcp.controller.ts': `import { McpHttpControllerFor } from '@rekog/mcp-nest';
@Controller('mcp')
export class Mcp extends McpHttpControllerFor(transport) {}
`,
      },
    ],
    [
      'one that hands requests to the official SDK',
      {
        'src/mcp.controller.ts': `import { createMcpHandler } from '@modelcontextprotocol/server';
@Controller('mcp')
export class Mcp {
  @All()
  handle() {}
}
`,
      },
    ],
    ['tools', { 'src/tools.ts': '@McpController()\nexport class Tools {\n  @Tool({})\n  run() {}\n}\n' }],
    ['handlers of messages', { 'src/m.ts': "@Controller()\nclass M {\n  @MessagePattern('x')\n  x() {}\n}\n" }],
    ['tests and comments', { 'src/orders.spec.ts': ORDERS, 'src/a.ts': `/*\n${ORDERS}*/\nconst a = 1;\n` }],
  ])('protects every route where there is %s', async (_what, files) => {
    const { tree, said } = await add(files);
    expect(tree.text('src/app.module.ts')).toContain(ALL);
    expect(said).toContain('McpAuthModule protects every route of this application.');
  });

  it('changes nothing of a module that is there', async () => {
    const { tree } = await add({ 'src/orders.controller.ts': ORDERS });
    const before = new Map(tree.files);
    const context = new RecordingContext();
    await addMcpAuth(tree, context, {});
    expect(tree.files).toEqual(before);
    expect(context.messages).toEqual(['Nothing to do: McpAuthModule is in src/app.module.ts.']);
  });
});
