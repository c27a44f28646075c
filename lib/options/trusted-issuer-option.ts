import { showValue } from '../core/safe-text.js';
import {
  readAuthorizationServer,
  type AuthorizationServerOptions,
  type ResolvedAuthorizationServer,
} from './authorization-server-options.js';
import { OptionReader, readWhole } from './option-reader.js';

/** The type of `trustedIssuer`: returns the authorization server of an issuer, written as in `authorizationServers`. */
export type TrustedIssuerOption = (
  issuer: string,
) => string | AuthorizationServerOptions | undefined | Promise<string | AuthorizationServerOptions | undefined>;

/** The function, with its answers read like options. */
export function readTrustedIssuer(
  option: OptionReader,
): ((issuer: string) => Promise<ResolvedAuthorizationServer | undefined>) | undefined {
  const write = 'Write (issuer) => the server with that issuer, or undefined';
  const find = option.function<TrustedIssuerOption>(write);
  if (!find) return undefined;
  const { path, allowsInsecureHttp } = option;
  return async (issuer) => {
    const found: unknown = await find(issuer);
    if (found === undefined || found === null || found === false) return undefined;
    return readFoundServer(OptionReader.of(found, path, allowsInsecureHttp), issuer);
  };
}

/**
 * Reads a server that `trustedIssuer` returned, by the same rules as the options.
 *
 * @throws {McpAuthConfigError} listing every problem, including another issuer than the requested one.
 */
function readFoundServer(option: OptionReader, issuer: string): ResolvedAuthorizationServer {
  return readWhole(option, () => {
    const server = readAuthorizationServer(option);
    if (server.issuer !== issuer && server.issuer !== '') {
      const why = `the issuer that was asked for is "${issuer}"`;
      option.refuse({ seen: showValue(server.issuer), why, write: 'Return that one or undefined' });
    }
    return server;
  });
}
