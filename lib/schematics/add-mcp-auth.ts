import { posix } from 'node:path';
import { findApplication, type Application } from './application.js';
import { addToEnvironmentExample } from './environment-example.js';
import type { Formatter } from './formatter.js';
import { addNamedImports } from './import-declarations.js';
import { connectStrategy, localUrl } from './main-file.js';
import { addToManifest, hasCommonJsJest, hasOtherPackages, manifestAdditions, type Manifest } from './manifest.js';
import { addToModuleImports } from './module-imports.js';
import { ENVIRONMENT_EXAMPLE, nextSteps } from './next-steps.js';
import { SchematicError } from './schematic-error.js';
import { DEV_SERVER_SCRIPT, devServerScript, exampleFiles, type TemplateFile } from './template-files.js';
import { reads, tokenize } from './tokens.js';
import { ownControllers } from './own-controllers.js';
import { readText, sourceFiles, type SchematicContext, type Tree } from './tree.js';

/**
 * The options in schematics/nest-add.json. No flag can be negated, because version 12 of the Nest CLI passes `--no-example`
 * as `example: true`.
 */
export interface NestAddOptions {
  readonly project?: string;
  readonly sourceRoot?: string;
  readonly module?: string;
  readonly skipExample?: boolean;
  readonly skipInstall?: boolean;
}

/** The task of NodePackageInstallTask in @angular-devkit/schematics. It uses the package manager of the lock file. */
const INSTALLATION = {
  toConfiguration: () => ({ name: 'node-package', options: { command: 'install', quiet: true, hideOutput: true } }),
};

const DEVELOPMENT_ISSUER = 'http://127.0.0.1:4000';

/**
 * Imports `McpAuthModule` into the root module of an application. Also adds packages, an example of the environment, a
 * development authorization server and an example of an MCP server. Changes nothing when it runs again. Does NOT touch `.env`.
 *
 * @throws {SchematicError} if it does not understand the application, before it writes anything
 */
export async function addMcpAuth(
  tree: Tree,
  context: SchematicContext,
  options: NestAddOptions,
  formatter?: Formatter,
): Promise<void> {
  const application = findApplication(tree, options);
  const additions = additionsTo(tree, application, options.skipExample);
  const { withExample } = additions;
  const files = [
    devServerScript(withExample),
    ...(withExample ? exampleFiles(application.sourceRoot, application.importExtension) : []),
  ];
  if (withExample) refuseForeignNotes(tree, files);

  const manifest = required(tree, 'package.json');
  const packages = manifestAdditions(JSON.parse(manifest) as Manifest, DEV_SERVER_SCRIPT, withExample);
  const resource = localUrl(readText(tree, application.mainFile) ?? '', 'mcp');
  const environment = {
    MCP_AUTH_RESOURCE: resource,
    MCP_AUTH_ISSUER: DEVELOPMENT_ISSUER,
    ...(withExample && { MCP_AUTH_REQUIRED_SCOPES: 'notes:read' }),
  };
  const edits = new Map([
    ...editedSources(tree, application, additions),
    ['package.json', addToManifest(manifest, packages)],
    [ENVIRONMENT_EXAMPLE, addToEnvironmentExample(readText(tree, ENVIRONMENT_EXAMPLE) ?? '', environment)],
    ...files.filter(({ path }) => !tree.exists(path)).map(({ path, content }) => [path, content] as const),
  ]);

  const isChanged = await write(tree, edits, formatter);
  const mustInstall = hasOtherPackages(manifest, edits.get('package.json') ?? manifest);
  if (mustInstall && !options.skipInstall) context.addTask(INSTALLATION);
  const steps = {
    resource,
    ...additions,
    mustInstall: mustInstall && options.skipInstall === true,
    mustTellJest: hasCommonJsJest(manifest),
  };
  context.logger.info(isChanged ? nextSteps(steps) : `Nothing to do: McpAuthModule is in ${additions.present}.`);
}

function additionsTo(tree: Tree, application: Application, skipExample: boolean | undefined): Additions {
  const present = moduleWithMcpAuth(tree, application);
  return {
    present,
    controllers: present === undefined ? ownControllers(tree, application.sourceRoot) : [],
    withExample: skipExample === undefined ? present === undefined : !skipExample,
  };
}

/** The file of the application that already uses McpAuthModule; undefined if there is none. */
function moduleWithMcpAuth(tree: Tree, { sourceRoot, moduleFile }: Application): string | undefined {
  return [moduleFile, ...sourceFiles(tree, sourceRoot)].find((path) => {
    const text = readText(tree, path) ?? '';
    const tokens = text.includes('McpAuthModule') ? tokenize(text) : [];
    return tokens.some((_, index) => reads(tokens, index, 'McpAuthModule', '.'));
  });
}

/** What is added to an application depends on what it has. */
interface Additions {
  /** The file that has McpAuthModule already; undefined if none has. */
  readonly present: string | undefined;
  /** The controllers whose routes must answer as before. */
  readonly controllers: readonly string[];
  readonly withExample: boolean;
}

const GUARDING_ALL = 'McpAuthModule.forRootAsync(mcpAuthConfig.asProvider())';
const GUARDING_MCP = "McpAuthModule.forRootAsync({ ...mcpAuthConfig.asProvider(), globalGuard: 'mcp' })";

/** The new text of the root module and, with the example, of the file that starts the application. */
function editedSources(tree: Tree, application: Application, additions: Additions): Map<string, string> {
  const { moduleFile, mainFile } = application;
  const edits = new Map([[moduleFile, editedModule(required(tree, moduleFile), application, additions)]]);
  if (additions.withExample) {
    const main = connectStrategy(edits.get(mainFile) ?? required(tree, mainFile), 'mcp');
    edits.set(mainFile, addNamedImports(main, ['mcp'], notesModuleFrom(mainFile, application)));
  }
  return edits;
}

function editedModule(text: string, application: Application, additions: Additions): string {
  const { present, controllers, withExample } = additions;
  const addsModule = present === undefined;
  const tokens = tokenize(text);
  const calls = (...texts: string[]): boolean => tokens.some((_, index) => reads(tokens, index, ...texts));
  const addsConfig = addsModule && !calls('ConfigModule', '.', 'forRoot', '(');
  const addsNotes = withExample && !calls('NotesModule');
  const expressions = [
    ...(addsConfig ? ['ConfigModule.forRoot({ isGlobal: true })'] : []),
    ...(addsModule ? [controllers.length > 0 ? GUARDING_MCP : GUARDING_ALL] : []),
    ...(addsNotes ? ['NotesModule'] : []),
  ];
  let edited = addToModuleImports(text, application.moduleClass, expressions);
  if (addsConfig) edited = addNamedImports(edited, ['ConfigModule'], '@nestjs/config');
  if (addsModule) edited = addNamedImports(edited, ['McpAuthModule', 'mcpAuthConfig'], 'nestjs-mcp-auth');
  if (addsNotes)
    edited = addNamedImports(edited, ['NotesModule'], notesModuleFrom(application.moduleFile, application));
  return edited;
}

/** The specifier with which a file imports the module of the example. */
function notesModuleFrom(file: string, { sourceRoot, importExtension }: Application): string {
  const relative = posix.relative(posix.dirname(file), posix.join(sourceRoot, 'notes/notes.module'));
  return (relative.startsWith('.') ? '' : './') + relative + importExtension;
}

/** Refuses to add the example if the application has notes of its own. */
function refuseForeignNotes(tree: Tree, files: readonly TemplateFile[]): void {
  const foreign = files.find(
    ({ path }) => path.endsWith('notes.module.ts') && !(readText(tree, path) ?? 'McpStrategy').includes('McpStrategy'),
  );
  if (foreign)
    throw new SchematicError(
      `There is a ${foreign.path} already, and it is not the example.`,
      'Leave out the example: --skip-example',
    );
}

/** Writes changed files, and formats those that were formatted before. Returns whether any file changed. */
async function write(
  tree: Tree,
  edits: ReadonlyMap<string, string>,
  formatter: Formatter | undefined,
): Promise<boolean> {
  let isChanged = false;
  for (const [path, content] of edits) {
    const before = readText(tree, path);
    if (content === before) continue;
    isChanged = true;
    const formats =
      formatter && /\.m?ts$|\.mjs$/.test(path) && (before === undefined || (await formatter.isFormatted(path, before)));
    const after = formats ? await formatter.format(path, content) : content;
    if (before === undefined) tree.create(path, after);
    else tree.overwrite(path, after);
  }
  return isChanged;
}

function required(tree: Tree, path: string): string {
  const text = readText(tree, path);
  if (text === undefined)
    throw new SchematicError(`There is no file ${path}.`, 'Run this in the directory of a Nest application.');
  return text;
}
