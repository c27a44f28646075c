import { ownMember } from '../core/record.js';

/** One entry of `authorization_details`. Its type defines the further members. */
export interface AuthorizationDetail {
  /** Defines the meaning of the other members (RFC 9396 §2). */
  readonly type: string;
  readonly [member: string]: unknown;
}

/**
 * The authorization details of one type that a token carries for a resource. Entries are independent: an operation is
 * allowed if one entry allows it. Never combine members of different entries.
 *
 * Leaves out entries of other types, malformed ones, and those whose `locations` do not contain the resource. Compares
 * strings code point by code point.
 *
 * @see RFC 9396 §2, §9 and §12
 */
export function authorizationDetailsOf(
  claims: Readonly<Record<string, unknown>>,
  type: string,
  resource: string,
): AuthorizationDetail[] {
  const details = ownMember(claims, 'authorization_details');
  if (!Array.isArray(details)) return [];
  return details.filter(
    (entry): entry is AuthorizationDetail => isDetail(entry) && entry.type === type && isFor(entry, resource),
  );
}

function isDetail(entry: unknown): entry is AuthorizationDetail {
  return typeof entry === 'object' && entry !== null && Object.hasOwn(entry, 'type') && 'type' in entry;
}

function isFor(entry: AuthorizationDetail, resource: string): boolean {
  if (!Object.hasOwn(entry, 'locations')) return true;
  const { locations } = entry;
  return Array.isArray(locations) && locations.includes(resource);
}
