import { ownMember } from '../../core/record.js';
import { isLoopback, parseUrl } from '../../core/resource.js';
import { showValue } from '../../core/safe-text.js';
import type { Remark, ReviewedServer } from './finding.js';

/** `name is "value"`, or `name is missing`. */
export function memberText(document: Readonly<Record<string, unknown>>, name: string): string {
  const value = ownMember(document, name);
  return value === undefined ? `${name} is missing` : `${name} is ${showValue(value)}`;
}

/** The entries of a member; empty if the member is missing or not a list. */
export function listAt(document: ReviewedServer['document'], name: string): readonly unknown[] {
  const list = ownMember(document, name);
  return Array.isArray(list) ? list : [];
}

/** Whether the member is a list that contains this value. */
export function lists(document: ReviewedServer['document'], name: string, value: string): boolean {
  return listAt(document, name).includes(value);
}

/** Remarks about the URL of an endpoint that clients need: it must be present, and https. */
export function endpointRemarks({ document, isLocal }: ReviewedServer, name: string, without: string): Remark[] {
  const value = ownMember(document, name);
  const seen = memberText(document, name);
  const url = typeof value === 'string' ? parseUrl(value) : undefined;
  if (!url) {
    return [
      {
        level: 'error',
        seen,
        consequence: without,
        remedy: `see that the metadata names its ${name}, as an absolute https URL`,
      },
    ];
  }
  if (url.protocol === 'https:' || (url.protocol === 'http:' && isLocal && isLoopback(url))) return [];
  const consequence =
    'clients refuse an endpoint that is not https, and what is sent there can be read on the way (OAuth 2.1 §1.5)';
  return [
    {
      level: 'error',
      seen,
      consequence,
      remedy: 'tell the server its own https URL; behind a proxy it often does not know that',
    },
  ];
}
