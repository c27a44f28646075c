import { readFileSync } from 'node:fs';

const HERE = new URL('./', import.meta.url);
const LIBRARY = new URL('../', import.meta.url);

/** Packages that all servers use, from the library's `node_modules`. */
const PLATFORM = [
  '@nestjs/core',
  '@nestjs/platform-express',
  '@nestjs/platform-fastify',
  'express',
  'fastify',
  '@rekog/mcp-nest',
  'jose',
  'lru-cache',
];

/** Installed versions of the measured packages, and of those they run on. */
export function versions() {
  const compared = Object.keys(manifest(HERE).dependencies);
  return {
    library: versionIn(LIBRARY),
    platform: Object.fromEntries(PLATFORM.map((name) => [name, installed(LIBRARY, name)])),
    compared: Object.fromEntries(compared.map((name) => [name, installed(HERE, name)])),
  };
}

/**
 * @throws if the two sides use different versions of jose: the benchmark would measure that difference, too
 */
export function assertSameJose() {
  const [ours, theirs] = [installed(LIBRARY, 'jose'), installed(HERE, 'jose')];
  if (ours !== theirs)
    throw new Error(`The library has jose ${ours} and what it is compared with ${theirs}: make them the same`);
}

function installed(root, name) {
  return versionIn(new URL(`node_modules/${name}/`, root));
}

function versionIn(folder) {
  return manifest(folder).version;
}

function manifest(folder) {
  return JSON.parse(readFileSync(new URL('package.json', folder), 'utf8'));
}
