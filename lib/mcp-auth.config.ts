import { registerAs } from '@nestjs/config';
import { optionsFromEnvironment } from './options/environment-options.js';

/**
 * The options of `McpAuthModule` from environment variables, as a namespace of `@nestjs/config`:
 * `McpAuthModule.forRootAsync(mcpAuthConfig.asProvider())`.
 *
 * `MCP_AUTH_RESOURCE` and `MCP_AUTH_ISSUER` are required. `MCP_AUTH_ISSUER`, `MCP_AUTH_AUDIENCE` and the scopes take
 * several values, separated by commas. An empty variable counts as absent. An unknown variable that begins with `MCP_AUTH_` is
 * refused, since it may be a protection with a misspelt name.
 *
 * `MCP_AUTH_INTROSPECTION_CLIENT_ID` and `MCP_AUTH_INTROSPECTION_CLIENT_SECRET` turn on introspection of every token at the
 * issuer (`client_secret_basic`). They need each other and a single issuer.
 *
 * @throws {McpAuthConfigError} that names each wrong variable, what was seen, and an example.
 */
export const mcpAuthConfig = registerAs('mcpAuth', () => optionsFromEnvironment(process.env));

function optionsFromEnvironment(environment: Environment): McpAuthModuleOptions {
  const options = readOptions(environment);
  const problems = [...unknownVariables(environment), ...introspectionOfSeveral(environment)];
  try {
    resolveOptions(options);
  } catch (error) {
    if (!(error instanceof McpAuthConfigError)) throw error;
    throw new McpAuthConfigError([...problems, ...error.problems.map(inVariables)]);
  }
  if (problems.length > 0) throw new McpAuthConfigError(problems);
  return options;
}

function readOptions(environment: Environment): McpAuthModuleOptions {
  const text = (name: string): string | undefined => environment[PREFIX + name]?.trim() || undefined;
  const list = (name: string): string[] | undefined =>
    text(name)
      ?.split(',')
      .map((value) => value.trim());
  const number = (name: string): number | undefined => convert(text(name), /^\d+$/, Number);
  const flag = (name: string): boolean | undefined =>
    convert(text(name), /^(?:true|false)$/, (value) => value === 'true');
  const options = {
    resource: text('RESOURCE'),
    authorizationServers: withIntrospection(
      list('ISSUER'),
      text('INTROSPECTION_CLIENT_ID'),
      text('INTROSPECTION_CLIENT_SECRET'),
    ),
    audience: list('AUDIENCE'),
    scopes: { required: list('REQUIRED_SCOPES'), supported: list('SCOPES_SUPPORTED') },
    metadata: { resourceName: text('RESOURCE_NAME'), resourceDocumentation: text('RESOURCE_DOCUMENTATION') },
    clockToleranceSeconds: number('CLOCK_TOLERANCE_SECONDS'),
    maxTokenLifetimeSeconds: number('MAX_TOKEN_LIFETIME_SECONDS'),
    allowInsecureHttp: flag('ALLOW_INSECURE_HTTP'),
    exposeErrorDetails: flag('EXPOSE_ERROR_DETAILS'),
  };
  // The validation of the options reports missing and wrong values, all at once.
  return options as unknown as McpAuthModuleOptions;
}

/** Adds introspection to a single issuer. The validation reports a missing id or secret. */
function withIntrospection(
  issuers: readonly string[] | undefined,
  clientId: string | undefined,
  clientSecret: string | undefined,
): unknown {
  if (issuers?.length !== 1 || (clientId === undefined && clientSecret === undefined)) return issuers;
  return [{ issuer: issuers[0], introspection: { clientId, auth: { method: 'client_secret_basic', clientSecret } } }];
}

/** Refuses introspection with several issuers: the variables hold one client, whose secret must only reach its own server. */
function introspectionOfSeveral(environment: Environment): ConfigProblem[] {
  if (!environment['MCP_AUTH_ISSUER']?.includes(',')) return [];
  return ['MCP_AUTH_INTROSPECTION_CLIENT_ID', 'MCP_AUTH_INTROSPECTION_CLIENT_SECRET']
    .filter((name) => environment[name]?.trim())
    .map((option) => ({
      option,
      seen: 'a value',
      why: 'MCP_AUTH_ISSUER names several issuers, and only one of them knows this client',
      write: 'Name one issuer, or set `introspection` for each issuer in the options of the module',
    }));
}

/** Converts a value of this form. Returns any other value unchanged: the validation refuses it. */
function convert<T>(text: string | undefined, form: RegExp, to: (text: string) => T): T | undefined {
  return text !== undefined && form.test(text) ? to(text) : (text as T | undefined);
}

function unknownVariables(environment: Environment): ConfigProblem[] {
  return Object.keys(environment)
    .filter((name) => name.startsWith(PREFIX) && !VARIABLES.some((variable) => variable.name === name))
    .map((name) => ({
      option: name,
      seen: 'a value',
      why: 'there is no such variable',
      write: `Known are ${VARIABLES.map((variable) => variable.name).join(', ')}`,
    }));
}

/** The problem of an option as the problem of its environment variable. */
function inVariables(problem: ConfigProblem): ConfigProblem {
  const variable =
    VARIABLES.find(({ option }) => problem.option === option) ??
    VARIABLES.find(({ option }) => problem.option.startsWith(`${option}[`));
  if (!variable) return problem;
  const { name, example } = variable;
  return { ...problem, option: name, write: `Example: ${name}=${example}` };
}
