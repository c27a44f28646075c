import { creationIndex } from './application.js';
import { beginsLine, indentationAt, layoutOf, lineStart, replaceBetween } from './layout.js';
import { SchematicError } from './schematic-error.js';
import { reads, tokenize, type Token } from './tokens.js';

/**
 * Has an application serve an MCP strategy, which `@rekog/mcp-nest` wants as a microservice that is started before the
 * application listens.
 * @param strategy the name under which the strategy is imported
 * @throws {SchematicError} where the file neither creates nor starts an application in the way known
 */
export function connectStrategy(text: string, strategy: string): string {
  const tokens = tokenize(text);
  const connecting = tokens.findIndex((_, index) => reads(tokens, index, 'connectMicroservice', '(', '{', 'strategy', ':', strategy));
  if (connecting !== -1) return text;
  const app = applicationName(tokens);
  const connect = `${app}.connectMicroservice({ strategy: ${strategy} });`;
  const start = callIndex(tokens, app, 'startAllMicroservices');
  if (start !== -1) return insertBefore(text, tokens, start, [connect]);
  const listen = callIndex(tokens, app, 'listen');
  if (app === undefined || listen === -1) {
    throw new SchematicError(
      'The file where the application starts has no "const app = await NestFactory.create(…)" with "app.listen(…)".',
      'Do without the example: --no-example',
    );
  }
  return insertBefore(text, tokens, listen, [connect, `await ${app}.startAllMicroservices();`]);
}

/** The name in `const name = await NestFactory.create`. */
function applicationName(tokens: readonly Token[]): string | undefined {
  let index = creationIndex(tokens);
  if (!reads(tokens, index - 1, 'await')) return undefined;
  while (index > 0 && !/^(?:const|let|var|[;{}])$/.test(tokens[index]?.text ?? '')) index--;
  return /^(?:const|let|var)$/.test(tokens[index]?.text ?? '') ? tokens[index + 1]?.text : undefined;
}

function callIndex(tokens: readonly Token[], app: string | undefined, method: string): number {
  return tokens.findIndex((_, index) => app !== undefined && reads(tokens, index, app, '.', method, '('));
}

/** Puts statements before the one that begins with the call at `index`. */
function insertBefore(text: string, tokens: readonly Token[], index: number, statements: readonly string[]): string {
  let first = index;
  while (/^(?:await|void|return)$/.test(tokens[first - 1]?.text ?? '')) first--;
  const { start } = tokens[first] as Token;
  if (!beginsLine(text, start)) return replaceBetween(text, start, start, `${statements.join(' ')} `);
  const { lineEnd } = layoutOf(text);
  const indentation = indentationAt(text, start);
  const at = lineStart(text, start);
  return replaceBetween(text, at, at, statements.map((statement) => indentation + statement + lineEnd).join(''));
}
