import { ownMember } from '../../core/record.js';
import type { Remark, ReviewedServer } from './finding.js';
import { endpointRemarks, memberText } from './metadata-member.js';

export function takesAsymmetricProofsOnly({ document }: ReviewedServer): Remark[] {
  const name = 'dpop_signing_alg_values_supported';
  const algorithms = ownMember(document, name);
  const isSound = (algorithm: unknown): boolean =>
    typeof algorithm === 'string' && !/^(?:none|HS\d*)$/i.test(algorithm);
  const isList = Array.isArray(algorithms) && algorithms.length > 0;
  if (algorithms === undefined || (isList && algorithms.every(isSound))) return [];
  const consequence =
    'clients that bind tokens to a key find no secure algorithm for their proofs, and may refuse (RFC 9449 §5.1)';
  const remedy = 'list asymmetric algorithms only, such as "ES256"';
  return [{ level: 'warning', seen: memberText(document, name), consequence, remedy }];
}

/** Clients do not need the keys, but this resource server does: without them, it can only introspect tokens. */
export function publishesKeys(server: ReviewedServer): Remark[] {
  const { document } = server;
  if (ownMember(document, 'jwks_uri') !== undefined) {
    return endpointRemarks(server, 'jwks_uri', 'the signatures of its tokens cannot be verified');
  }
  const seen = memberText(document, 'jwks_uri');
  if (ownMember(document, 'introspection_endpoint') === undefined) {
    const consequence = 'its tokens can be neither verified nor introspected here, and are answered with 503';
    const remedy = 'have it publish its keys, or set jwksUri';
    return [{ level: 'error', seen: `${seen}, and so is introspection_endpoint`, consequence, remedy }];
  }
  const consequence = 'its tokens work only with the option introspection';
  return [
    { level: 'note', seen, consequence, remedy: 'set introspection for this server, or have it publish its keys' },
  ];
}
