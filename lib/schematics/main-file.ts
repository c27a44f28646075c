import { creationIndex } from './application.js';
import { beginsLine, indentationAt, layoutOf, lineStart, replaceBetween } from './layout.js';
import { SchematicError } from './schematic-error.js';
import { closingIndex, reads, stringValue, tokenize, type Token } from './tokens.js';

/**
 * Connects an MCP strategy to an application. `@rekog/mcp-nest` requires it as a microservice that is started before the
 * application listens.
 * @param strategy the name under which the strategy is imported
 * @throws {SchematicError} if the file does not create and start an application in a known way
 */
export function connectStrategy(text: string, strategy: string): string {
  const tokens = tokenize(text);
  const connecting = tokens.findIndex((_, index) =>
    reads(tokens, index, 'connectMicroservice', '(', '{', 'strategy', ':', strategy),
  );
  if (connecting !== -1) return text;
  const app = applicationName(tokens);
  const connect = `${app}.connectMicroservice({ strategy: ${strategy} });`;
  const start = callIndex(tokens, app, 'startAllMicroservices');
  if (start !== -1) return insertBefore(text, tokens, start, [connect]);
  const listen = callIndex(tokens, app, 'listen');
  if (app === undefined || listen === -1) {
    throw new SchematicError(
      'The file where the application starts has no "const app = await NestFactory.create(…)" with "app.listen(…)".',
      'Leave out the example: --skip-example',
    );
  }
  return insertBefore(text, tokens, listen, [connect, `await ${app}.startAllMicroservices();`]);
}

/**
 * The URL of a route for clients on this machine, with the port (3000 by default) and the global prefix in the source.
 * Does NOT know computed values.
 */
export function localUrl(text: string, route: string): string {
  const tokens = tokenize(text);
  const prefix = tokens.findIndex((_, index) => reads(tokens, index, '.', 'setGlobalPrefix', '('));
  const listen = tokens.findIndex((_, index) => reads(tokens, index, '.', 'listen', '('));
  const listenArguments = listen === -1 ? [] : tokens.slice(listen + 3, closingIndex(tokens, listen + 2));
  const port = listenArguments.find((token) => /^\d{2,5}$/.test(token.text))?.text ?? '3000';
  const path = [prefix === -1 ? undefined : stringValue(tokens[prefix + 3]), route].join('/');
  return `http://127.0.0.1:${port}/${path.replaceAll(/^\/+|\/+(?=\/)/g, '')}`;
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

/** Inserts statements before the statement of the call at `index`. */
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
