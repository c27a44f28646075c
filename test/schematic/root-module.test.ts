import { describe, expect, it } from '@jest/globals';
import { parseSync } from '@swc/core';
import { addNamedImports } from '../../lib/schematics/import-declarations.js';
import { connectStrategy, localUrl } from '../../lib/schematics/main-file.js';
import { addToModuleImports } from '../../lib/schematics/module-imports.js';

const ADDED = ['A.forRoot({ b: true })', 'C'];

function expectSyntax(text: string): void {
  expect(() => parseSync(text, { syntax: 'typescript', decorators: true, target: 'es2022' })).not.toThrow();
}

const inAppModule = (metadata: string): string => `@Module(${metadata})\nexport class AppModule {}\n`;

describe('the imports of a root module', () => {
  it.each([
    ['an empty list', '{\n  imports: [],\n}', '{\n  imports: [\n    A.forRoot({ b: true }),\n    C,\n  ],\n}'],
    ['a list in one line', '{ imports: [X, Y] }', '{ imports: [\n  A.forRoot({ b: true }),\n  C,\n  X, Y,\n] }'],
    [
      'a list in one line with a trailing comma',
      '{\n  imports: [X,],\n}',
      '{\n  imports: [\n    A.forRoot({ b: true }),\n    C,\n    X,\n  ],\n}',
    ],
    [
      'a list in lines',
      '{\n  imports: [\n    X,\n    Y\n  ]\n}',
      '{\n  imports: [\n    A.forRoot({ b: true }),\n    C,\n    X,\n    Y\n  ]\n}',
    ],
    [
      'a list that begins beside its bracket',
      '{\n  imports: [X(() => {\n  })],\n}',
      '{\n  imports: [\n    A.forRoot({ b: true }),\n    C,\n    X(() => {\n  })],\n}',
    ],
    [
      'a list with comments',
      '{\n  imports: [ // all\n    // X,\n    Y, // ]\n  ],\n}',
      '{\n  imports: [ // all\n    // X,\n    A.forRoot({ b: true }),\n    C,\n    Y, // ]\n  ],\n}',
    ],
    [
      'a list of nothing but a comment',
      '{\n  imports: [\n    // imports: [],\n  ],\n}',
      '{\n  imports: [\n    // imports: [],\n    A.forRoot({ b: true }),\n    C,\n  ],\n}',
    ],
    [
      'a comment with a list before the list',
      '{\n  // imports: [],\n  imports: [],\n}',
      '{\n  // imports: [],\n  imports: [\n    A.forRoot({ b: true }),\n    C,\n  ],\n}',
    ],
    ['a name in quotes', "{\n  'imports': [],\n}", "{\n  'imports': [\n    A.forRoot({ b: true }),\n    C,\n  ],\n}"],
    ['tabs', '{\n\timports: [],\n}', '{\n\timports: [\n\t\tA.forRoot({ b: true }),\n\t\tC,\n\t],\n}'],
    [
      'no list, with other lists in lines',
      '{\n  providers: [X],\n}',
      '{\n  imports: [\n    A.forRoot({ b: true }),\n    C,\n  ],\n  providers: [X],\n}',
    ],
    [
      'no list, with others in one line',
      '{ providers: [X] }',
      '{\n  imports: [\n    A.forRoot({ b: true }),\n    C,\n  ],\n  providers: [X],\n}',
    ],
    [
      'no list but in a provider',
      '{\n  providers: [{ imports: [], provide: X }],\n}',
      '{\n  imports: [\n    A.forRoot({ b: true }),\n    C,\n  ],\n  providers: [{ imports: [], provide: X }],\n}',
    ],
    ['empty metadata', '{}', '{\n  imports: [\n    A.forRoot({ b: true }),\n    C,\n  ],\n}'],
    ['no metadata', '', '{\n  imports: [\n    A.forRoot({ b: true }),\n    C,\n  ],\n}'],
  ])('are added to %s', (_, metadata, expected) => {
    const edited = addToModuleImports(inAppModule(metadata), 'AppModule', ADDED);
    expect(edited).toBe(inAppModule(expected));
    expectSyntax(edited);
  });

  it('keep the line ends of Windows', () => {
    const edited = addToModuleImports(
      inAppModule('{\n  imports: [\n    X,\n  ],\n}').replaceAll('\n', '\r\n'),
      'AppModule',
      ADDED,
    );
    expect(edited).not.toMatch(/(?<!\r)\n/);
    expectSyntax(edited);
  });

  it('are those of the class asked for, whatever is decorated before and after', () => {
    const text = `@Injectable()\nclass S {}\n@Module({ imports: [] })\nclass Other {}\n@Global()\n@Module({ imports: [] })\n@Tag({ a: 1 })\nexport default class AppModule {}\n@Module({})\nclass Last {}\n`;
    const edited = addToModuleImports(text, 'AppModule', ['C']);
    expect(edited).toBe(
      text.replace('@Global()\n@Module({ imports: [] })', '@Global()\n@Module({ imports: [\n  C,\n] })'),
    );
    expectSyntax(edited);
  });

  it.each([
    ['a name', '{ imports: modules }', /not a plain list.*by hand:\n {2}C,/s],
    ['a shorthand', '{ imports, providers: [] }', /not a plain list/],
    ['a list that is computed from', '{ imports: [X].concat(more) }', /not a plain list/],
    ['elsewhere', 'metadata', /no object literal/],
  ])('are refused where they are %s', (_, metadata, message) => {
    expect(() => addToModuleImports(inAppModule(metadata), 'AppModule', ['C'])).toThrow(message);
  });

  it('are refused where the class is not there, or is only written in a comment', () => {
    expect(() =>
      addToModuleImports('// @Module({}) class AppModule {}\nexport class AppModule {}', 'AppModule', ['C']),
    ).toThrow(/--module/);
    expect(() => addToModuleImports('@Module({}) class A {}\n@Module({}) class B {}', undefined, ['C'])).toThrow(
      /--module/,
    );
  });
});

describe('the import declarations of a file', () => {
  it.each([
    [
      'after the last one',
      "import a from 'a';\nimport {\n  b,\n} from 'b';\n\nconst c = import('c');\n",
      "import a from 'a';\nimport {\n  b,\n} from 'b';\nimport { X, Y } from 'x';\n\nconst c = import('c');\n",
    ],
    [
      'without semicolons',
      "import a from 'a'\nimport 'b'\n",
      "import a from 'a'\nimport 'b'\nimport { X, Y } from 'x';\n",
    ],
    ['where there is none', '// About\nconst a = 1;\n', "// About\nimport { X, Y } from 'x';\nconst a = 1;\n"],
    ['to names that there are', "import { Z } from 'x';\n", "import { Z, X, Y } from 'x';\n"],
    ['to names in lines', "import {\n  Z,\n} from 'x';\n", "import {\n  Z,\n  X,\n  Y,\n} from 'x';\n"],
    ['but what is there', "import { X, type Z } from 'x';\n", "import { X, type Z, Y } from 'x';\n"],
    ['but not to types', "import type { Z } from 'x';\n", "import type { Z } from 'x';\nimport { X, Y } from 'x';\n"],
    ['beside one of another name', "import { X as Z } from 'x';\n", "import { X as Z, X, Y } from 'x';\n"],
    ['beside a namespace', "import * as x from 'x';\n", "import * as x from 'x';\nimport { X, Y } from 'x';\n"],
    [
      'not for a comment',
      "import a from 'a';\n// import { X, Y } from 'x';\n",
      "import a from 'a';\nimport { X, Y } from 'x';\n// import { X, Y } from 'x';\n",
    ],
  ])('get names added %s', (_, text, expected) => {
    const edited = addNamedImports(text, ['X', 'Y'], 'x');
    expect(edited).toBe(expected);
    expectSyntax(edited);
    expect(addNamedImports(edited, ['X', 'Y'], 'x')).toBe(edited);
  });
});

describe('the file where an application starts', () => {
  const inBootstrap = (...statements: string[]): string =>
    `async function bootstrap() {\n${statements.map((line) => `  ${line}\n`).join('')}}\nbootstrap();\n`;

  it.each([
    [
      'as nest new writes it',
      ['const app = await NestFactory.create(AppModule);', 'await app.listen(3000);'],
      [
        'const app = await NestFactory.create(AppModule);',
        'app.connectMicroservice({ strategy: mcp });',
        'await app.startAllMicroservices();',
        'await app.listen(3000);',
      ],
    ],
    [
      'with another name and type',
      ['const server: A = await NestFactory.create<A>(AppModule, {});', '// app.listen()', 'void server.listen(3000);'],
      [
        'const server: A = await NestFactory.create<A>(AppModule, {});',
        '// app.listen()',
        'server.connectMicroservice({ strategy: mcp });',
        'await server.startAllMicroservices();',
        'void server.listen(3000);',
      ],
    ],
    [
      'with microservices already',
      [
        'const app = await NestFactory.create(AppModule);',
        'await app.startAllMicroservices();',
        'await app.listen(3000);',
      ],
      [
        'const app = await NestFactory.create(AppModule);',
        'app.connectMicroservice({ strategy: mcp });',
        'await app.startAllMicroservices();',
        'await app.listen(3000);',
      ],
    ],
  ])('connects the strategy, %s', (_, before, after) => {
    const edited = connectStrategy(inBootstrap(...before), 'mcp');
    expect(edited).toBe(inBootstrap(...after));
    expectSyntax(edited);
    expect(connectStrategy(edited, 'mcp')).toBe(edited);
  });

  it('connects it in one line', () => {
    const edited = connectStrategy('const app = await NestFactory.create(M); await app.listen(1);', 'mcp');
    expect(edited).toBe(
      'const app = await NestFactory.create(M); app.connectMicroservice({ strategy: mcp }); await app.startAllMicroservices(); await app.listen(1);',
    );
  });

  it.each([
    'NestFactory.create(AppModule).then((app) => app.listen(1));',
    'const app = await NestFactory.create(AppModule);',
  ])('is refused as %s', (text) => {
    expect(() => connectStrategy(text, 'mcp')).toThrow(/--skip-example/);
  });

  it.each([
    ['app.listen(process.env.PORT ?? 8080);', 'http://127.0.0.1:8080/mcp'],
    ["app.setGlobalPrefix('/api/'); app.listen({ port: 80 });", 'http://127.0.0.1:80/api/mcp'],
    ['app.setGlobalPrefix(prefix); app.listen(port);', 'http://127.0.0.1:3000/mcp'],
  ])('says where it is reached: %s', (text, url) => {
    expect(localUrl(text, 'mcp')).toBe(url);
  });
});
