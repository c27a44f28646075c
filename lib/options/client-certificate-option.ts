import { certificateAuthentication, type ClientAuthentication } from '../issuer/client-authentication.js';
import { checkAuthorities, checkKeyPair, ClientCertificate } from '../issuer/client-certificate.js';
import type { OptionReader } from './option-reader.js';

/** Reads how this server authenticates with a certificate; undefined after a problem. Never shows the key. */
export function readCertificateAuthentication(option: OptionReader): ClientAuthentication | undefined {
  const isFunction = option.at('keyPair').isGiven;
  option.refuseUnknown(['method', 'ca', ...(isFunction ? ['keyPair'] : ['certificate', 'key'])]);
  const ca = readAuthorities(option.at('ca'));
  const load = isFunction ? readFunction(option.at('keyPair')) : readKeyPair(option);
  return load && certificateAuthentication(new ClientCertificate(load, ca));
}

function readAuthorities(option: OptionReader): string | undefined {
  const ca = option.text();
  try {
    if (ca !== undefined) checkAuthorities(ca);
  } catch {
    const why = 'must be certificates as PEM text';
    option.refuse({ seen: 'a value', why, write: 'Write those of the authorities of the server, or leave it out' });
  }
  return ca;
}

/** Does not show another value: it may be the key. */
function readFunction(option: OptionReader): (() => unknown) | undefined {
  if (typeof option.value === 'function') return option.value as () => unknown;
  option.refuse({ seen: 'a value', why: 'must be a function', write: 'Write () => ({ certificate: …, key: … })' });
  return undefined;
}

function readKeyPair(option: OptionReader): (() => unknown) | undefined {
  const pair = { certificate: option.at('certificate').value, key: option.at('key').value };
  try {
    warnOfTimes(option.at('certificate'), checkKeyPair(pair));
    return () => pair;
  } catch (error) {
    const seen =
      pair.certificate === undefined || pair.key === undefined ? 'not both of certificate and key' : 'values';
    const why = error instanceof TypeError ? error.message : 'must be PEM text';
    const write = 'Write certificate and key as PEM text, or keyPair: () => ({ certificate: …, key: … })';
    option.refuse({ seen, why, write });
    return undefined;
  }
}

function warnOfTimes(option: OptionReader, { validFrom, validTo }: { validFrom: string; validTo: string }): void {
  const now = Date.now();
  if (Date.parse(validTo) < now) option.warn(`has expired at ${validTo}: the authorization server may refuse it`);
  if (Date.parse(validFrom) > now)
    option.warn(`is not valid before ${validFrom}: the authorization server may refuse it`);
}

/** Refuses an endpoint over plain http, where no certificate can be shown. */
export function requireTlsFor(auth: ClientAuthentication, endpoint: OptionReader): void {
  if (auth.certificate === undefined || typeof endpoint.value !== 'string' || /^https:/i.test(endpoint.value)) return;
  endpoint.refuse({ why: 'a certificate can be shown over https only', write: 'Write an https URL, or another auth' });
}
