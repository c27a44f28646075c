import { McpAuthConfigError, type ConfigProblem } from '../core/error.js';
import type { McpAuthModuleOptions } from './options.js';
import { readOptions } from './read-options.js';
import { VARIABLES, type Variable } from './variables.js';

type Environment = Readonly<Record<string, string | undefined>>;

const PREFIX = 'MCP_AUTH_';

/**
 * The options that the environment variables of this library set. They are validated like any other options, and problems
 * name the variables.
 *
 * @throws {McpAuthConfigError} listing every problem.
 */
export function optionsFromEnvironment(environment: Environment): McpAuthModuleOptions {
  const options = optionsIn(environment);
  const problems = [
    ...unknownVariables(environment),
    ...introspectionOfSeveral(environment),
    ...problemsWith(options).map(inVariables),
  ];
  if (problems.length > 0) throw new McpAuthConfigError(problems);
  return options;
}

/** Does not validate: missing values and wrong types are reported when the options are read. */
function optionsIn(environment: Environment): McpAuthModuleOptions {
  const values = new Map(VARIABLES.map((variable) => [variable.option, valueOf(variable, environment)]));
  const options: Record<string, unknown> = {};
  for (const [option, value] of values) if (!option.includes('[')) setAt(options, option.split('.'), value);
  const clientId = values.get('authorizationServers[0].introspection.clientId');
  const clientSecret = values.get('authorizationServers[0].introspection.auth.clientSecret');
  options['authorizationServers'] = withIntrospection(values.get('authorizationServers'), clientId, clientSecret);
  return options as unknown as McpAuthModuleOptions;
}

function problemsWith(options: McpAuthModuleOptions): readonly ConfigProblem[] {
  try {
    readOptions(options);
    return [];
  } catch (error) {
    if (error instanceof McpAuthConfigError) return error.problems;
    throw error;
  }
}

/** The value of a variable; undefined if it is empty. Text that is not a number or a flag is kept, and refused later. */
function valueOf({ name, form }: Variable, environment: Environment): unknown {
  const text = environment[name]?.trim();
  if (!text) return undefined;
  if (form === 'list') return text.split(',').map((entry) => entry.trim());
  if (form === 'number' && /^\d+$/.test(text)) return Number(text);
  if (form === 'flag' && /^(?:true|false)$/.test(text)) return text === 'true';
  return text;
}

function setAt(options: Record<string, unknown>, [name = '', ...rest]: readonly string[], value: unknown): void {
  if (rest.length === 0) options[name] = value;
  else setAt((options[name] ??= {}) as Record<string, unknown>, rest, value);
}

/** Adds introspection to the only issuer. The variables can describe only one client. */
function withIntrospection(issuers: unknown, clientId: unknown, clientSecret: unknown): unknown {
  const isGiven = clientId !== undefined || clientSecret !== undefined;
  if (!isGiven || !Array.isArray(issuers) || issuers.length !== 1) return issuers;
  const auth = { method: 'client_secret_basic', clientSecret };
  return [{ issuer: issuers[0] as unknown, introspection: { clientId, auth } }];
}

/** Refuses a client with several issuers: its secret must not be sent to a foreign server. */
function introspectionOfSeveral(environment: Environment): ConfigProblem[] {
  if (!environment['MCP_AUTH_ISSUER']?.includes(',')) return [];
  return ['MCP_AUTH_INTROSPECTION_CLIENT_ID', 'MCP_AUTH_INTROSPECTION_CLIENT_SECRET']
    .filter((name) => environment[name]?.trim())
    .map((option) => ({
      option,
      seen: 'a value',
      why: 'MCP_AUTH_ISSUER names several issuers, and only one of them knows this client',
      write: 'Name one issuer, or set up `introspection` of each in the options of the module',
    }));
}

function unknownVariables(environment: Environment): ConfigProblem[] {
  const known = VARIABLES.map(({ name }) => name);
  return Object.keys(environment)
    .filter((name) => name.startsWith(PREFIX) && !known.includes(name))
    .map((option) => ({
      option,
      seen: 'a value',
      why: 'there is no such variable',
      write: `Known are ${known.join(', ')}`,
    }));
}

/** The same problem, with the name of the variable instead of the option. */
function inVariables(problem: ConfigProblem): ConfigProblem {
  const variable =
    VARIABLES.find(({ option }) => problem.option === option) ??
    VARIABLES.find(({ option }) => problem.option.startsWith(`${option}[`));
  if (!variable) return problem;
  const { name, example } = variable;
  return { ...problem, option: name, write: `Example: ${name}=${example}` };
}
