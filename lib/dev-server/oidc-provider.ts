/** The optional peer `oidc-provider`. Its types stay inside this folder: no public declaration uses them. */
export type OidcProviderModule = typeof import('oidc-provider');

/** Its checks of proofs (DPoP) for grants that it does not have. They are not covered by its semantic versioning. */
export type GrantHelpers = typeof import('oidc-provider/lib/helpers/grants.js');

/** Loads the checks of proofs. Nothing but the exchange of tokens that are bound to keys needs them. */
export async function loadGrantHelpers(): Promise<GrantHelpers> {
  return import('oidc-provider/lib/helpers/grants.js');
}

/**
 * Loads the optional peer on first use: nothing else in this package needs it.
 *
 * Suppresses its warning about the Node.js version. The warning names no defect, only the versions that its authors support;
 * the tests of this package run the whole flow on every version that this package supports.
 */
export async function loadOidcProvider(): Promise<OidcProviderModule> {
  const restore = muteRuntimeWarning();
  try {
    return await import('oidc-provider');
  } catch (cause) {
    if (!isMissing(cause)) throw cause;
    throw new Error(
      'The development authorization server runs on the package oidc-provider, which is not installed: npm i -D oidc-provider',
      { cause },
    );
  } finally {
    restore();
  }
}

function isMissing(cause: unknown): boolean {
  const { code, message } = cause as { code?: unknown; message?: unknown };
  return code === 'ERR_MODULE_NOT_FOUND' && String(message).includes(`'oidc-provider'`);
}

function muteRuntimeWarning(): () => void {
  const warn = console.warn;
  const filter = (...args: unknown[]): void => {
    if (!String(args[0]).includes('oidc-provider WARNING: Unsupported runtime')) warn.apply(console, args);
  };
  console.warn = filter;
  return () => {
    if (console.warn === filter) console.warn = warn;
  };
}
