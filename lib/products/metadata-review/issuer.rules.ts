import { ownMember } from '../../core/record.js';
import { parseUrl } from '../../core/resource.js';
import { showValue } from '../../core/safe-text.js';
import { remedyIn, type Remark, type ReviewedServer } from './finding.js';
import { memberText } from './metadata-member.js';

export function issuerIsTheSame({ document, issuer, product }: ReviewedServer): Remark[] {
  if (ownMember(document, 'issuer') === issuer) return [];
  return [
    {
      level: 'error',
      seen: `${memberText(document, 'issuer')}, and ${showValue(issuer)} is expected`,
      consequence: 'clients must not use a document that names another issuer than they looked for (RFC 8414 §3.3)',
      remedy: remedyIn(
        product,
        'issuer',
        'configure the issuer as the server itself spells it; a slash at the end counts',
      ),
    },
  ];
}

export function issuerIsSecure({ issuer, isLocal }: ReviewedServer): Remark[] {
  const url = parseUrl(issuer);
  const remedy = 'give the server an https URL without query and fragment, and configure that as the issuer';
  const seen = `the issuer is ${showValue(issuer)}`;
  if (!url || /[?#]/.test(issuer)) {
    return [
      {
        level: 'error',
        seen,
        consequence: 'clients cannot make the URL of its metadata from it (RFC 8414 §2)',
        remedy,
      },
    ];
  }
  if (url.protocol === 'https:') return [];
  if (url.protocol === 'http:' && isLocal) {
    return [{ level: 'note', seen, consequence: 'only clients on this machine can reach it', remedy }];
  }
  return [{ level: 'error', seen, consequence: 'clients refuse an issuer that is not https (RFC 8414 §2)', remedy }];
}
