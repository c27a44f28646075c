/** An environment variable that sets an option of `McpAuthModule`. */
export interface Variable {
  readonly name: string;
  /** The option it sets, as an error message names it. */
  readonly option: string;
  /** How its text is parsed. The entries of a list are separated by commas. */
  readonly form: 'text' | 'list' | 'number' | 'flag';
  readonly example: string;
  /** Its purpose, as a line of an example file. */
  readonly purpose: string;
}

/** All variables, the required ones first. */
export const VARIABLES: readonly Variable[] = [
  {
    name: 'MCP_AUTH_RESOURCE',
    option: 'resource',
    form: 'text',
    example: 'https://mcp.example.com/mcp',
    purpose: 'Required: the URL at which clients reach the MCP endpoint.',
  },
  {
    name: 'MCP_AUTH_ISSUER',
    option: 'authorizationServers',
    form: 'list',
    example: 'https://login.example.com',
    purpose: 'Required: the issuer identifier of your authorization server; several are separated by commas.',
  },
  {
    name: 'MCP_AUTH_INTROSPECTION_CLIENT_ID',
    option: 'authorizationServers[0].introspection.clientId',
    form: 'text',
    example: 'notes-server',
    purpose:
      'The client as which this server asks the authorization server about every token (RFC 7662); needs the secret.',
  },
  {
    name: 'MCP_AUTH_INTROSPECTION_CLIENT_SECRET',
    option: 'authorizationServers[0].introspection.auth.clientSecret',
    form: 'text',
    example: 'the-secret-of-notes-server',
    purpose: 'The secret of that client.',
  },
  {
    name: 'MCP_AUTH_AUDIENCE',
    option: 'audience',
    form: 'list',
    example: 'https://mcp.example.com/mcp',
    purpose: 'The accepted audiences of tokens, if they differ from the resource; separated by commas.',
  },
  {
    name: 'MCP_AUTH_REQUIRED_SCOPES',
    option: 'scopes.required',
    form: 'list',
    example: 'notes:read',
    purpose: 'The scopes that every protected request needs, separated by commas.',
  },
  {
    name: 'MCP_AUTH_SCOPES_SUPPORTED',
    option: 'scopes.supported',
    form: 'list',
    example: 'notes:read,notes:write',
    purpose:
      'The scopes advertised to clients, separated by commas; by default the required ones, else those of decorators.',
  },
  {
    name: 'MCP_AUTH_RESOURCE_NAME',
    option: 'metadata.resourceName',
    form: 'text',
    example: 'Notes',
    purpose: 'The name of the server, for people.',
  },
  {
    name: 'MCP_AUTH_RESOURCE_DOCUMENTATION',
    option: 'metadata.resourceDocumentation',
    form: 'text',
    example: 'https://docs.example.com',
    purpose: 'The URL of a page for developers of clients.',
  },
  {
    name: 'MCP_AUTH_CLOCK_TOLERANCE_SECONDS',
    option: 'clockToleranceSeconds',
    form: 'number',
    example: '5',
    purpose: 'The allowed difference from the clock of the authorization server, in seconds; 5 by default.',
  },
  {
    name: 'MCP_AUTH_MAX_TOKEN_LIFETIME_SECONDS',
    option: 'maxTokenLifetimeSeconds',
    form: 'number',
    example: '86400',
    purpose: 'The longest accepted lifetime of a token, in seconds; a day by default.',
  },
  {
    name: 'MCP_AUTH_ALLOW_INSECURE_HTTP',
    option: 'allowInsecureHttp',
    form: 'flag',
    example: 'true',
    purpose: 'Insecure: allows plain http to other machines.',
  },
  {
    name: 'MCP_AUTH_EXPOSE_ERROR_DETAILS',
    option: 'exposeErrorDetails',
    form: 'flag',
    example: 'true',
    purpose: 'Insecure: tells clients why a token was refused.',
  },
];
