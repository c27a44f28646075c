/**
 * What a run needs to know of an authorization server. Each product is one file of this folder, and a folder beside it if it
 * has files of its own. `index.js` lists them.
 *
 * @typedef {object} Product
 * @property {string} name as its maker writes it
 * @property {string} version the one that is installed
 * @property {string} [variant] a setting that tells two runs of one version apart
 * @property {boolean} [onlyByName] whether it is left out of runs that name no product, since it takes long
 * @property {() => string | undefined} missing what this machine lacks; undefined if it can run
 * @property {(setting: { resource: string }) => Promise<Server>} start installs it where it is not installed, and starts it
 * @property {Record<string, import('./expectation.js').Expectation>} expected by the id of a step
 * @property {import('../scenario/steps.js').Step[]} [steps] what only this product is asked
 *
 * @typedef {object} Server
 * @property {string} issuer
 * @property {Record<'alice' | 'bob', { username: string, password: string }>} users
 * @property {import('../client/oauth.js').OAuthClient} client a public client that was registered before
 * @property {import('../client/oauth.js').OAuthClient} [confidentialClient] where public clients get no refresh tokens and cannot revoke: one
 *   that can
 * @property {Record<string, unknown>} [options] of the library, beyond the issuer, without which its tokens are refused
 * @property {Record<string, unknown>} [preset] what a preset of the library returns
 * @property {Record<string, unknown>} [introspection] the option of that name
 * @property {string} [standardScopes] scopes that are asked for besides those of the notes, such as for a refresh token
 * @property {Record<string, string>} [parameters] of authorization requests
 * @property {(lab: import('../scenario/lab.js').Lab) => Promise<string>} tokenForOthers an access token that is not for the notes
 * @property {() => Promise<void>} kill without notice
 * @property {() => Promise<void>} restart after it was killed, with the same data where the product keeps any
 * @property {() => Promise<unknown>} [rotateKeys] from then on it signs with another key
 * @property {(tokens: Record<string, any>) => Promise<{ status: number }>} [logOut] ends the session of a user
 * @property {() => Promise<{ token: string, certificate: import('../../dist/testing/index.js').TestCertificate,
 *   authorizationServer: unknown }>} [boundToken] a token that is bound to a certificate, and how its issuer is trusted
 * @property {import('../client/oauth.js').OAuthClient} [exchangingClient] a client that may exchange tokens
 * @property {OtherApi} [otherApi] an API for which it may
 *
 * @typedef {object} OtherApi
 * @property {string} audience how tokens name it
 * @property {Record<string, unknown>} [options] of `downstream`, beyond the client and the audience
 * @property {boolean} [hasActor] whether the application sends a token of itself, too
 */

/** @param {Product} product */
export const titleOfProduct = ({ name, version, variant }) =>
  variant === undefined ? `${name} ${version}` : `${name} ${version}, ${variant}`;
