import { posix } from 'node:path';
import { importDeclarations } from './import-declarations.js';
import { SchematicError } from './schematic-error.js';
import { closingIndex, reads, tokenize, type Token } from './tokens.js';
import { readText, type Tree } from './tree.js';

/** The files of an application that are edited. Paths are relative to the tree. */
export interface Application {
  readonly sourceRoot: string;
  readonly mainFile: string;
  readonly moduleFile: string;
  /** Undefined if the user named the file of the module, which then has only one. */
  readonly moduleClass: string | undefined;
  /** Extension of relative imports: `.js` in ESM, usually none in CommonJS. */
  readonly importExtension: string;
}

export interface WhereToLook {
  readonly project?: string | undefined;
  readonly sourceRoot?: string | undefined;
  readonly module?: string | undefined;
}

interface NestProject {
  readonly sourceRoot?: string;
  readonly entryFile?: string;
}

const NAME_IT = 'Name the file that declares the root module: --module=src/app.module.ts';

/** @throws {SchematicError} if it cannot find the root module */
export function findApplication(tree: Tree, where: WhereToLook): Application {
  const { sourceRoot, entryFile } = nestProject(tree, where);
  const mainFile = posix.join(sourceRoot, `${entryFile.replace(/\.ts$/, '')}.ts`);
  const main = readText(tree, mainFile);
  if (where.module !== undefined) {
    if (!tree.exists(where.module)) throw new SchematicError(`There is no file ${where.module}.`, NAME_IT);
    const importExtension = isEsm(tree) ? '.js' : '';
    return { sourceRoot, mainFile, moduleFile: where.module, moduleClass: undefined, importExtension };
  }
  if (main === undefined)
    throw new SchematicError(`There is no file ${mainFile}, where an application starts.`, NAME_IT);
  return { sourceRoot, mainFile, ...findRootModule(tree, mainFile, main) };
}

/** The index of the `NestFactory` that creates the application, or -1. */
export function creationIndex(tokens: readonly Token[]): number {
  return tokens.findIndex((_, index) => reads(tokens, index, 'NestFactory', '.', 'create'));
}

function nestProject(tree: Tree, where: WhereToLook): Required<NestProject> {
  const configuration = JSON.parse(
    readText(tree, 'nest-cli.json') ?? readText(tree, '.nest-cli.json') ?? '{}',
  ) as NestProject & { readonly projects?: Readonly<Record<string, NestProject>> };
  const projects = configuration.projects ?? {};
  if (where.project !== undefined && !(where.project in projects)) {
    const known = Object.keys(projects).join(', ') || 'none';
    throw new SchematicError(`nest-cli.json has no project "${where.project}".`, `It has these: ${known}.`);
  }
  const project =
    where.project === undefined
      ? Object.values(projects).find(({ sourceRoot }) => sourceRoot === where.sourceRoot)
      : projects[where.project];
  return {
    sourceRoot: project?.sourceRoot ?? where.sourceRoot ?? configuration.sourceRoot ?? 'src',
    entryFile: project?.entryFile ?? configuration.entryFile ?? 'main',
  };
}

function findRootModule(tree: Tree, mainFile: string, main: string) {
  const tokens = tokenize(main);
  const name = createdModule(tokens);
  if (name === undefined) throw new SchematicError(`${mainFile} has no NestFactory.create(RootModule).`, NAME_IT);
  for (const { specifier, names } of importDeclarations(tokens)) {
    const imported = names.find(({ local }) => local === name)?.imported;
    if (imported === undefined) continue;
    const extension = /\.[cm]?[jt]s$/.exec(specifier)?.[0] ?? '';
    const path = posix.join(posix.dirname(mainFile), specifier.slice(0, specifier.length - extension.length));
    const moduleFile = [`${path}.ts`, posix.join(path, 'index.ts')].find((file) => tree.exists(file));
    if (!specifier.startsWith('.') || moduleFile === undefined) {
      throw new SchematicError(
        `${mainFile} imports ${name} from '${specifier}', which is not a TypeScript file of the application.`,
        NAME_IT,
      );
    }
    return { moduleFile, moduleClass: imported === 'default' ? undefined : imported, importExtension: extension };
  }
  return { moduleFile: mainFile, moduleClass: name, importExtension: isEsm(tree) ? '.js' : '' };
}

/** The name in `NestFactory.create(Name, …)` and `NestFactory.create<Type>(Name)`. */
function createdModule(tokens: readonly Token[]): string | undefined {
  const index = creationIndex(tokens);
  const open = index === -1 ? -1 : tokens.findIndex(({ text }, position) => position > index && text === '(');
  const isName = /^[\p{ID_Start}$_]/u.test(tokens[open + 1]?.text ?? '') && /^[,)]$/.test(tokens[open + 2]?.text ?? '');
  return open !== -1 && isName && open < closingIndex(tokens, open) ? tokens[open + 1]?.text : undefined;
}

function isEsm(tree: Tree): boolean {
  return (JSON.parse(readText(tree, 'package.json') ?? '{}') as { readonly type?: string }).type === 'module';
}
