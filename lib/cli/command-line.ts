import { parseArgs } from 'node:util';
import { EXCHANGE_GRANTS, EXCHANGE_PARAMETERS, type ExchangeProbe } from './doctor/exchange.facts.js';
import { readResourceIdentifier, type ResourceIdentifier } from '../core/resource.js';

/** What the command line asks for. A refusal does not repeat the refused argument, which could be a token. */
export type Command =
  | { readonly kind: 'help' }
  | { readonly kind: 'version' }
  | { readonly kind: 'refused'; readonly why: string }
  | ({ readonly kind: 'doctor' } & DoctorCommand);

export interface DoctorCommand {
  readonly target: ResourceIdentifier;
  readonly isIssuer: boolean;
  readonly json: boolean;
  readonly verbose: boolean;
  /** Where to read a sample token; by default the environment, which need not have one. */
  readonly tokenSource: { readonly file: string } | 'stdin' | 'environment';
  /** A file with the key of the token; by default the environment, which need not have one. */
  readonly dpopKeyFile: string | undefined;
  readonly audiences: readonly string[];
  readonly clientId: string | undefined;
  readonly redirectUri: string | undefined;
  readonly register: boolean;
  /** The parameters of the exchange to try; empty for none. */
  readonly exchange: ExchangeProbe['parameters'];
  readonly timeoutMs: number;
}

export const USAGE = `Usage: nestjs-mcp-auth doctor [options] <URL of an MCP server, or issuer>

Examines a running MCP server and its authorization servers as a client would, and reports what is wrong.

  --issuer               the URL is the issuer of an authorization server; detected without this option
  --token-file <path>    checks a sample access token, and sends it to the MCP server
  --token -              the same, from standard input; or put it in MCP_AUTH_TOKEN
  --dpop-key-file <path> the private key (JWK) to which the token is bound, or put it in MCP_AUTH_DPOP_KEY:
                         sends the token with good and bad proofs (DPoP)
  --audience <value>     an audience that the MCP server accepts besides its own URL; may be repeated
  --client-id <id>       tests what the authorization endpoint refuses; with the secret in MCP_AUTH_CLIENT_SECRET
                         and an issuer as URL, also requests a token with the client credentials grant
  --redirect-uri <uri>   a redirect URI of that client: tests whether requests without PKCE are refused
  --exchange <name=value> requests a token for another API with the sample token, as that client, at the issuer:
                         audience=, resource=, scope= or grant=token-exchange or jwt-bearer; may be repeated
  --probe-dcr            REGISTERS A CLIENT as MCP clients do, to see whether that works
  --timeout <seconds>    timeout of each request (default 5)
  --verbose              also prints a line for each check that cannot be verified
  --json                 prints one JSON document instead of text
  --help, --version

Exit code: 0 without errors, 1 with at least one error, 2 for wrong usage or if no server answers.
`;

const OPTIONS = {
  issuer: { type: 'boolean' },
  token: { type: 'string' },
  'token-file': { type: 'string' },
  'dpop-key-file': { type: 'string' },
  audience: { type: 'string', multiple: true },
  'client-id': { type: 'string' },
  'redirect-uri': { type: 'string' },
  exchange: { type: 'string', multiple: true },
  'probe-dcr': { type: 'boolean' },
  timeout: { type: 'string' },
  verbose: { type: 'boolean' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean', short: 'v' },
} as const;

export function readCommandLine(args: readonly string[]): Command {
  try {
    const { values, positionals } = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
    if (values.help) return { kind: 'help' };
    if (values.version) return { kind: 'version' };
    return doctorCommand(values, positionals);
  } catch (error) {
    return refused(reasonOf(error));
  }
}

type Values = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>['values'];

function doctorCommand(values: Values, [command, target, ...others]: readonly string[]): Command {
  if (command !== 'doctor')
    return refused(command === undefined ? 'no command is given' : 'the only command is "doctor"');
  if (target === undefined) return refused('the URL of an MCP server or an issuer is missing');
  if (others.length > 0) return refused('more than one URL is given');
  const read = readResourceIdentifier(target);
  if ('problem' in read)
    return refused(
      `the URL cannot be used: ${read.problem}. Write it as clients do, such as https://mcp.example.com/mcp`,
    );
  const tokenSource = tokenSourceOf(values);
  if (typeof tokenSource === 'object' && 'why' in tokenSource) return refused(tokenSource.why);
  const exchange = (values.exchange ?? []).map(exchangeParameter);
  if (exchange.includes(undefined)) {
    return refused(
      `--exchange is one of ${EXCHANGE_PARAMETERS.join('=, ')}= with a value; grant= is ${EXCHANGE_GRANTS.join(' or ')}`,
    );
  }
  const timeoutMs = Number(values.timeout ?? 5) * 1000;
  if (!(timeoutMs > 0 && timeoutMs <= 600_000)) return refused('--timeout is a number of seconds, up to 600');
  return {
    kind: 'doctor',
    target: read,
    isIssuer: values.issuer ?? false,
    json: values.json ?? false,
    verbose: values.verbose ?? false,
    tokenSource,
    dpopKeyFile: values['dpop-key-file'],
    audiences: values.audience ?? [],
    clientId: values['client-id'],
    redirectUri: values['redirect-uri'],
    register: values['probe-dcr'] ?? false,
    exchange: exchange.filter((parameter) => parameter !== undefined),
    timeoutMs,
  };
}

/** One parameter of the exchange; undefined if it is not a known one. */
function exchangeParameter(text: string): ExchangeProbe['parameters'][number] | undefined {
  const [, name, value = ''] = /^([a-z]+)=(.+)$/s.exec(text) ?? [];
  const known = EXCHANGE_PARAMETERS.find((one) => one === name);
  if (!known || (known === 'grant' && !EXCHANGE_GRANTS.includes(value))) return undefined;
  return [known, value];
}

function tokenSourceOf({ token, 'token-file': file }: Values): DoctorCommand['tokenSource'] | { readonly why: string } {
  if (token !== undefined && token !== '-') {
    const why =
      'a token on the command line is in the history of the shell and the list of processes, where others can read it';
    return { why: `${why}. Use --token-file <path>, --token - for standard input, or MCP_AUTH_TOKEN` };
  }
  if (token !== undefined && file !== undefined) return { why: '--token and --token-file exclude each other' };
  if (token !== undefined) return 'stdin';
  return file === undefined ? 'environment' : { file };
}

/** Why the options are refused. Takes only the option's name from the message of `parseArgs`, which could repeat a value. */
function reasonOf(error: unknown): string {
  const { message, code } = error as Partial<NodeJS.ErrnoException>;
  if (code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION') return 'an option is unknown';
  const option = Object.keys(OPTIONS).find((name) => message?.includes(`--${name}`));
  return option === undefined ? 'the options cannot be read' : `the option --${option} is used wrongly`;
}

function refused(why: string): Command {
  return { kind: 'refused', why };
}
