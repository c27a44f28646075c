import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { parseSync } from '@swc/core';
import { addMcpAuth, type NestAddOptions } from '../../lib/schematics/add-mcp-auth.js';
import { VARIABLES } from '../../lib/options/variables.js';
import { MemoryTree, RecordingContext } from './memory-tree.js';

const MAIN = `import { NestFactory } from '@nestjs/core';
import { AppModule } from './app.module.js';

async function bootstrap() {
  const app = await NestFactory.create(AppModule);
  await app.listen(process.env.PORT ?? 3000);
}
await bootstrap();
`;

const MODULE = `import { Module } from '@nestjs/common';

@Module({
  imports: [],
})
export class AppModule {}
`;

const manifest = (nest: string, more: object = {}): string =>
  `${JSON.stringify({ name: 'app', type: 'module', scripts: { start: 'nest start' }, dependencies: { '@nestjs/core': nest, 'nestjs-mcp-auth': '^0.1.0' }, devDependencies: { vitest: '^4.0.0' }, ...more }, null, 2)}\n`;

const application = (files: Readonly<Record<string, string>> = {}): MemoryTree =>
  new MemoryTree({ 'package.json': manifest('^12.0.1'), 'src/main.ts': MAIN, 'src/app.module.ts': MODULE, ...files });

async function add(tree: MemoryTree, options: NestAddOptions = {}): Promise<RecordingContext> {
  const context = new RecordingContext();
  await addMcpAuth(tree, context, options);
  return context;
}

/** What a run changes, or rather what it must not: undefined where it is refused. */
async function refusal(tree: MemoryTree, options: NestAddOptions = {}): Promise<string> {
  const before = new Map(tree.files);
  const error: unknown = await add(tree, options).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(tree.files).toEqual(before);
  return error instanceof Error ? error.message : '';
}

const inModule = (tree: MemoryTree, path = 'src/app.module.ts'): string => tree.text(path);

describe('nest add nestjs-mcp-auth', () => {
  it('imports the module, and writes an MCP server that it connects', async () => {
    const tree = application();
    await add(tree);
    expect(inModule(tree)).toBe(`import { Module } from '@nestjs/common';
import { ConfigModule } from '@nestjs/config';
import { McpAuthModule, mcpAuthConfig } from 'nestjs-mcp-auth';
import { NotesModule } from './notes/notes.module.js';

@Module({
  imports: [
    ConfigModule.forRoot({ isGlobal: true }),
    McpAuthModule.forRootAsync(mcpAuthConfig.asProvider()),
    NotesModule,
  ],
})
export class AppModule {}
`);
    expect(tree.text('src/main.ts')).toContain("import { mcp } from './notes/notes.module.js';\n");
    expect(tree.text('src/main.ts')).toContain(
      '  app.connectMicroservice({ strategy: mcp });\n  await app.startAllMicroservices();\n  await app.listen',
    );
    expect([...tree.files.keys()]).toEqual(
      expect.arrayContaining([
        'src/notes/notes.module.ts',
        'src/notes/notes.service.ts',
        'src/notes/notes.tools.ts',
        'mcp-auth.dev-server.mjs',
        '.env.example',
      ]),
    );
    expect(tree.exists('.env')).toBe(false);
  });

  it('changes nothing when it runs again, whatever was made of the example', async () => {
    const tree = application();
    await add(tree);
    tree.files.delete('src/notes/notes.tools.ts');
    const before = new Map(tree.files);
    const { messages, tasks } = await add(tree);
    expect(tree.files).toEqual(before);
    expect(messages).toEqual(['Nothing to do: McpAuthModule is in src/app.module.ts.']);
    expect(tasks).toEqual([]);
  });

  it('changes nothing when it runs again and is asked for the example, which is there', async () => {
    const tree = application();
    await add(tree);
    const before = new Map(tree.files);
    await add(tree, { skipExample: false });
    expect(tree.files).toEqual(before);
  });

  it('leaves the example out, and adds it later', async () => {
    const tree = application();
    await add(tree, { skipExample: true });
    expect(tree.text('src/main.ts')).toBe(MAIN);
    expect(inModule(tree)).not.toContain('NotesModule');
    expect(tree.text('package.json')).not.toContain('@rekog/mcp-nest');
    expect(tree.text('mcp-auth.dev-server.mjs')).toContain('scopes: {},');
    expect(() =>
      parseSync(tree.text('mcp-auth.dev-server.mjs'), { syntax: 'ecmascript', target: 'es2022' }),
    ).not.toThrow();
    await add(tree, { skipExample: false });
    expect(inModule(tree).match(/^ +(?:Config|McpAuth|Notes)Module/gm)).toEqual([
      '    NotesModule',
      '    ConfigModule',
      '    McpAuthModule',
    ]);
    expect(tree.text('src/main.ts')).toContain('strategy: mcp');
  });

  it('keeps a ConfigModule that is there, and imports as CommonJS does', async () => {
    const tree = application({
      'src/main.ts': MAIN.replace('.module.js', '.module'),
      'src/app.module.ts': MODULE.replace('[]', '[ConfigModule.forRoot()]').replace(
        '\n\n',
        "\nimport { ConfigModule, ConfigService } from '@nestjs/config';\n\n",
      ),
    });
    await add(tree);
    expect(inModule(tree).match(/ConfigModule\.forRoot/g)).toHaveLength(1);
    expect(inModule(tree)).toContain("from './notes/notes.module';");
    expect(tree.text('src/notes/notes.module.ts')).toContain("from './notes.tools';");
  });

  it('sees a McpAuthModule that another module imports', async () => {
    const tree = application({
      'src/auth/auth.module.ts': '@Module({ imports: [McpAuthModule.forRoot({})] }) export class AuthModule {}',
    });
    await add(tree);
    expect(inModule(tree)).toBe(MODULE);
  });

  it('follows the project, the folder of sources and the entry file that nest-cli.json names', async () => {
    const project = { sourceRoot: 'apps/api/src', entryFile: 'server' };
    const tree = new MemoryTree({
      'package.json': manifest('^12.0.1'),
      'nest-cli.json': JSON.stringify({
        sourceRoot: 'apps/web/src',
        monorepo: true,
        projects: { web: { sourceRoot: 'apps/web/src' }, api: project },
      }),
      'apps/api/src/server.ts': MAIN.replace('AppModule }', 'RootModule as AppModule }').replace(
        './app.module.js',
        './root/root.module.js',
      ),
      'apps/api/src/root/root.module.ts': MODULE.replace('AppModule', 'RootModule'),
    });
    await add(tree, { project: 'api', sourceRoot: 'apps/web/src' });
    expect(inModule(tree, 'apps/api/src/root/root.module.ts')).toContain("from '../notes/notes.module.js';");
    expect(tree.exists('apps/api/src/notes/notes.tools.ts')).toBe(true);
    const again = new Map(tree.files);
    // What the Nest CLI makes of --project.
    await add(tree, { sourceRoot: 'apps/api/src' });
    expect(tree.files).toEqual(again);
  });

  it('finds a root module in the file where the application starts', async () => {
    const tree = application({ 'src/main.ts': MODULE + MAIN.replace(/^import \{ AppModule.*\n/m, '') });
    tree.files.delete('src/app.module.ts');
    await add(tree);
    expect(tree.text('src/main.ts')).toContain('McpAuthModule.forRootAsync');
    expect(tree.text('src/main.ts')).toContain('strategy: mcp');
    expect(tree.text('src/main.ts')).toContain("import { NotesModule, mcp } from './notes/notes.module.js';");
  });

  it.each([
    ['no application', { 'src/main.ts': '// NestFactory.create(AppModule)' }, {}, /no NestFactory\.create.*--module/],
    [
      'a root module from a package',
      { 'src/main.ts': MAIN.replace('./app.module.js', '@acme/app') },
      {},
      /@acme\/app.*--module/,
    ],
    [
      'a root module that is not in its file',
      { 'src/app.module.ts': "export * from './other.js';" },
      {},
      /class AppModule.*--module/,
    ],
    [
      'an application that starts otherwise',
      { 'src/main.ts': MAIN.replace('await NestFactory', 'NestFactory') },
      {},
      /--skip-example/,
    ],
    [
      'notes of its own',
      { 'src/notes/notes.module.ts': '@Module({}) export class NotesModule {}' },
      {},
      /notes\.module\.ts already.*--skip-example/,
    ],
    ['an old Nest', { 'package.json': manifest('^10.0.0') }, {}, /@nestjs\/core \^10\.0\.0.*Nest 11 or 12/],
    ['no such project', {}, { project: 'api' }, /no project "api"/],
    ['no such file', {}, { module: 'src/root.module.ts' }, /no file src\/root\.module\.ts/],
  ])('refuses %s, and writes nothing', async (_, files, options, message) => {
    expect(await refusal(application(files), options)).toMatch(message);
  });

  it('takes a module that is named', async () => {
    const tree = application({ 'src/main.ts': MAIN.replace('./app.module.js', '@acme/app') });
    await add(tree, { module: 'src/app.module.ts' });
    expect(inModule(tree)).toContain('McpAuthModule.forRootAsync');
  });
});

describe('package.json', () => {
  const own = JSON.parse(readFileSync('package.json', 'utf8')) as {
    peerDependencies: Record<string, string>;
    devDependencies: Record<string, string>;
  };

  it.each([
    ['^11.0.1', '^4.0.0', '^11.0.0'],
    ['~12.3.0', '^12.0.0', '^12.0.0'],
  ])('gets what fits Nest %s', async (nest, config, microservices) => {
    const tree = application({ 'package.json': manifest(nest) });
    const { tasks } = await add(tree);
    const { dependencies, devDependencies, scripts } = JSON.parse(tree.text('package.json')) as Record<
      string,
      Record<string, string>
    >;
    expect(dependencies).toMatchObject({ '@nestjs/config': config, '@nestjs/microservices': microservices });
    expect(own.peerDependencies['@nestjs/config']).toContain(config);
    expect(Object.keys(dependencies ?? {})).toEqual(Object.keys(dependencies ?? {}).toSorted());
    expect(devDependencies).toEqual({ 'oidc-provider': own.peerDependencies['oidc-provider'], vitest: '^4.0.0' });
    expect(scripts).toEqual({ start: 'nest start', 'auth:dev': 'node mcp-auth.dev-server.mjs' });
    expect(tasks).toEqual([{ name: 'node-package', options: expect.objectContaining({ command: 'install' }) }]);
  });

  it('gets the major versions that this repository is tested with', async () => {
    const tree = application();
    await add(tree);
    const { dependencies } = JSON.parse(tree.text('package.json')) as { dependencies: Record<string, string> };
    const major = (range = ''): string => range.replace(/^\^(\d+).*/, '$1');
    for (const [name, range] of Object.entries(dependencies)) {
      if (name !== 'nestjs-mcp-auth') expect([name, major(range)]).toEqual([name, major(own.devDependencies[name])]);
    }
  });

  it('keeps versions, scripts and indentation that are there', async () => {
    const text = JSON.stringify(
      {
        scripts: { 'auth:dev': 'mine' },
        dependencies: { '@nestjs/core': '12.0.1', zod: '4.0.0' },
        devDependencies: { '@nestjs/config': '12.0.0' },
      },
      null,
      '\t',
    );
    const tree = application({ 'package.json': text });
    await add(tree);
    expect(tree.text('package.json')).toContain('"auth:dev": "mine"');
    expect(tree.text('package.json')).toContain('\n\t\t"zod": "4.0.0"');
    expect(tree.text('package.json').match(/@nestjs\/config/g)).toHaveLength(1);
  });

  it('is not installed where that is not wanted, which the next steps then begin with', async () => {
    const { tasks, messages } = await add(application(), { skipInstall: true });
    expect(tasks).toEqual([]);
    expect(messages.join('\n')).toMatch(/1\. npm install/);
  });
});

describe('.env.example', () => {
  it('explains every variable, with values that fit the development authorization server', async () => {
    const tree = application({ 'src/main.ts': MAIN.replace('3000', '8080') });
    await add(tree);
    const text = tree.text('.env.example');
    for (const { name, purpose } of VARIABLES)
      expect(text).toMatch(new RegExp(`^# ${purpose.replaceAll(/[().]/g, '\\$&')}\n(?:# )?${name}=.`, 'm'));
    expect(text.split('\n').filter((line) => /^\w/.test(line))).toEqual([
      'MCP_AUTH_RESOURCE=http://127.0.0.1:8080/mcp',
      'MCP_AUTH_ISSUER=http://127.0.0.1:4000',
      'MCP_AUTH_REQUIRED_SCOPES=notes:read',
    ]);
  });

  it('keeps what is there, and adds what is not', async () => {
    const before = 'A=1\n# MCP_AUTH_AUDIENCE=x\nMCP_AUTH_RESOURCE=https://mine.example/mcp';
    const tree = application({ '.env.example': before, '.env': 'MCP_AUTH_ISSUER=x' });
    await add(tree);
    expect(tree.text('.env.example')).toMatch(new RegExp(`^${before}\n\n# Required: the issuer`));
    expect(tree.text('.env.example').match(/MCP_AUTH_(?:AUDIENCE|RESOURCE)=/g)).toHaveLength(2);
    expect(tree.text('.env')).toBe('MCP_AUTH_ISSUER=x');
  });
});

it('has the notes of the first sample', () => {
  const service = (folder: string): string => readFileSync(`${folder}/notes.service.ts`, 'utf8');
  expect(service('schematics/files/notes')).toBe(service('sample/01-quick-start'));
});

describe('a formatter', () => {
  it('formats new files, and those that were formatted before', async () => {
    const tree = application({ 'src/app.module.ts': MODULE.replace('@Module', '\n\n@Module') });
    const formatted: string[] = [];
    await addMcpAuth(
      tree,
      new RecordingContext(),
      {},
      {
        isFormatted: async (_, text) => !text.includes('\n\n\n'),
        format: async (path, text) => {
          formatted.push(path);
          return text;
        },
      },
    );
    expect(formatted.toSorted()).toEqual([
      'mcp-auth.dev-server.mjs',
      'src/main.ts',
      'src/notes/notes.module.ts',
      'src/notes/notes.service.ts',
      'src/notes/notes.tools.ts',
    ]);
  });
});

it.each([
  ['ts-jest in CommonJS', { type: undefined, devDependencies: { 'ts-jest': '^29.0.0' } }, true],
  ['ts-jest in ESM', { devDependencies: { 'ts-jest': '^29.0.0' } }, false],
  ['another test runner', { type: undefined }, false],
])('says how Jest loads an ES module only where that has to be said: with %s', async (_, more, isSaid) => {
  const { messages } = await add(application({ 'package.json': manifest('^11.0.0', more) }));
  expect(messages.join('\n').includes('transformIgnorePatterns')).toBe(isSaid);
  if (isSaid) expect(messages.join('\n')).toContain(String.raw`"^.+\\.(t|j)s$"`);
});
