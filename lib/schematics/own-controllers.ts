import { importDeclarations } from './import-declarations.js';
import { decoratedClassIndex } from './module-imports.js';
import { closingIndex, reads, tokenize, type Token } from './tokens.js';
import { readText, sourceFiles, type Tree } from './tree.js';

/** Packages whose controllers serve MCP. */
const MCP_PACKAGES = /^(?:@modelcontextprotocol\/|@rekog\/mcp-nest|@nestjs-mcp\/server|nestjs-mcp-auth\/sdk)/;

const ROUTE_DECORATORS = new Set('All Delete Get Head Options Patch Post Put Search Sse'.split(' '));

/**
 * The names of the controllers with HTTP routes that the application had before: not the one that `nest new` writes, and not
 * those that serve MCP. A controller with routes of a base class counts.
 */
export function ownControllers(tree: Tree, sourceRoot: string): string[] {
  return sourceFiles(tree, sourceRoot).flatMap((path) => {
    const text = readText(tree, path) ?? '';
    return text.includes('Controller') ? controllersIn(tokenize(text)) : [];
  });
}

function controllersIn(tokens: readonly Token[]): string[] {
  if (importDeclarations(tokens).some(({ specifier }) => MCP_PACKAGES.test(specifier))) return [];
  return tokens.flatMap((_, index) => {
    if (!reads(tokens, index, '@', 'Controller', '(')) return [];
    const at = decoratedClassIndex(tokens, closingIndex(tokens, index + 2) + 1);
    const name = at === undefined ? undefined : tokens[at + 1]?.text;
    return at === undefined || name === undefined || !hasOwnRoutes(tokens, at) ? [] : [name];
  });
}

/** @param at the index of `class` */
function hasOwnRoutes(tokens: readonly Token[], at: number): boolean {
  const body = bodyIndex(tokens, at);
  const heritage = new Set(tokens.slice(at, body).map(({ text }) => text));
  if (heritage.has('extends')) return !heritage.has('McpHttpControllerFor');
  const end = closingIndex(tokens, body);
  const routes = tokens
    .map((_, index) => index)
    .filter((index) => index > body && index < end && reads(tokens, index, '@') && isRoute(tokens[index + 1] as Token));
  const [first] = routes;
  const isGenerated = routes.length === 1 && first !== undefined && reads(tokens, first + 2, '(', ')', 'getHello', '(');
  return routes.length > 0 && !isGenerated;
}

function isRoute({ text }: Token): boolean {
  return ROUTE_DECORATORS.has(text);
}

/** The index of the `{` of a class. Arguments of a mixin may contain other braces. */
function bodyIndex(tokens: readonly Token[], at: number): number {
  for (let index = at; index < tokens.length; index++) {
    if (reads(tokens, index, '{')) return index;
    if (reads(tokens, index, '(')) index = closingIndex(tokens, index);
  }
  return tokens.length - 1;
}
