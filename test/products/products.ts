import { type IssuerPreset } from 'nestjs-mcp-auth';
import { TestIssuer, type MintOptions, type TestIssuerOptions, type WellKnownForm } from 'nestjs-mcp-auth/testing';

export const TENANT = '72f988bf-86f1-41af-91ab-2d7cd011db47';
export const API = '6e74172b-be56-4843-9ff4-e66a39bb12e3';
export const CLIENT = '75dbe77f-10a3-4e59-85fd-8c127544f17c';
export const STYTCH_PROJECT = 'project-live-d0dbafe6-a019-47ea-8550-d021c1c76ea9';
export type Claims = Readonly<Record<string, unknown>>;

/** What a product documents of its tokens and of its metadata. */
export interface Product {
  readonly preset: IssuerPreset;
  /** The same preset for somebody else. */
  readonly neighbour: IssuerPreset;
  /** The whole result of the preset, so that none of its URLs is wrong in the same way twice. */
  readonly result: IssuerPreset;
  /** Where the product has its metadata. */
  readonly wellKnown: readonly WellKnownForm[];
  /** What to set as `audience`. @default the resource identifier */
  readonly audience?: string;
  readonly alg?: TestIssuerOptions['alg'];
  readonly header?: MintOptions['header'];
  /** Claims of an access token besides `iss`, `iat` and `exp`. */
  readonly token: (resource: string) => Claims;
  readonly caller: { readonly subject: string; readonly clientId: string; readonly scopes: readonly string[] };
  /** Claims of an ID token, but for its audience: that is made one which is accepted, the hardest case. */
  readonly idToken: Claims;
}

/** Minted claims that no product sends but the one that says so. */
export const NOTHING: Claims = { client_id: undefined, jti: undefined };

export const JWT = { typ: 'JWT' };
export const NO_TYPE = { typ: undefined };

/** An issuer on loopback with the path and the metadata of this product. */
export function startIssuerOf(
  preset: IssuerPreset,
  { wellKnown, alg = 'ES256' }: Pick<Product, 'wellKnown' | 'alg'>,
): Promise<TestIssuer> {
  const path = preset.issuer.slice(new URL(preset.issuer).origin.length);
  // The clock of the server starts a little later than this.
  const now = Date.now();
  return TestIssuer.start({ path, wellKnown, alg, now: () => now });
}

/** The preset with the test issuer in place of the product: every origin replaced, and nothing else. */
export function pointedAt(
  preset: IssuerPreset,
  issuer: TestIssuer,
  origin = new URL(issuer.issuer).origin,
): IssuerPreset {
  const moved = JSON.parse(JSON.stringify(preset).replaceAll(/https:\/\/[^/"]+/g, origin)) as IssuerPreset;
  return preset.jwksUri === undefined ? moved : { ...moved, jwksUri: issuer.jwksUri };
}
