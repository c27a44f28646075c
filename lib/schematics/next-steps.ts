export const ENVIRONMENT_EXAMPLE = '.env.example';

const JEST_IN_COMMONJS = [
  'Jest loads ES modules with require only on Node.js 24.9 and later. On older versions, tests that import nestjs-mcp-auth need this in the configuration of Jest:',
  '  "transform": { "^.+\\\\.(t|j)s$": ["ts-jest", { "tsconfig": { "allowJs": true, "isolatedModules": true, "esModuleInterop": true,',
  '    "experimentalDecorators": true, "emitDecoratorMetadata": true } }] },',
  '  "transformIgnorePatterns": ["/node_modules/(?!(nestjs-mcp-auth|jose|oauth4webapi)/)"]',
].join('\n');

export interface Steps {
  /** URL of the MCP endpoint. */
  readonly resource: string;
  /** The file that had McpAuthModule before; undefined if none had. */
  readonly present: string | undefined;
  /** The controllers that the application had before; empty if it had McpAuthModule. */
  readonly controllers: readonly string[];
  readonly withExample: boolean;
  readonly mustInstall: boolean;
  /** Whether tests run as CommonJS in Jest. */
  readonly mustTellJest: boolean;
}

/** The text that is printed after a change. */
export function nextSteps({ resource, present, controllers, withExample, mustInstall, mustTellJest }: Steps): string {
  const steps = [
    ...(mustInstall ? ['npm install'] : []),
    `copy ${ENVIRONMENT_EXAMPLE} to .env; as it is, it fits the authorization server of the next step`,
    'npm run auth:dev     a development authorization server (sign in as alice, password alice)',
    'npm run start:dev    in another terminal',
    ...(withExample ? [`claude mcp add --transport http notes ${resource}     or any other MCP client`] : []),
  ];
  return [
    ...(present === undefined ? scopeOf(controllers) : [`McpAuthModule is in ${present}.`]),
    'Next:',
    ...steps.map((step, index) => `  ${index + 1}. ${step}`),
    controllers.length > 0
      ? 'Other routes need a token with @RequireScopes() or @UseGuards(McpAuthGuard). Tests get tokens from nestjs-mcp-auth/testing.'
      : 'Routes that need no token are marked with @Public(). Tests that call the others get tokens from nestjs-mcp-auth/testing.',
    ...(mustTellJest ? [JEST_IN_COMMONJS] : []),
  ].join('\n');
}

/** Most controllers that are named. */
const MAX_NAMED = 3;

/** What the module protects, and how to change that. */
function scopeOf(controllers: readonly string[]): string[] {
  if (controllers.length === 0) return ['McpAuthModule protects every route of this application.'];
  const others = controllers.length - MAX_NAMED;
  const named = [...controllers.slice(0, MAX_NAMED), ...(others > 0 ? [`${others} more`] : [])].join(', ');
  return [
    `This application has controllers of its own (${named}), so globalGuard is 'mcp':`,
    'McpAuthModule protects the MCP endpoint and decorated handlers; all other routes answer as before.',
    'To protect every route, remove globalGuard from the imports of the root module.',
  ];
}
