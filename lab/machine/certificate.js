/** A certificate for 127.0.0.1 and localhost, which the servers of this run are told to trust. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from './cache.js';
import { install } from './install.js';
import { run } from './processes.js';

/** @returns {{ file: string, keyFile: string, key: Buffer, cert: Buffer }} `file`: the certificate as PEM */
export function certificate() {
  const folder = cacheFolder('certificate');
  const [keyFile, file] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  if (!existsSync(file)) {
    const names = 'subjectAltName=DNS:localhost,IP:127.0.0.1';
    const subject = ['-days', '3650', '-subj', '/CN=localhost', '-addext', names];
    install(() =>
      run('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', keyFile, '-out', file, ...subject]),
    );
  }
  return { file, keyFile, key: readFileSync(keyFile), cert: readFileSync(file) };
}
