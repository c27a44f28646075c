import { readFileSync } from 'node:fs';

const HERE = new URL('./', import.meta.url);
const LIBRARY = new URL('../', import.meta.url);

/** What the servers have in common, which is installed for the library. */
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

/** Installed versions of everything that is measured, and of what it runs on. */
export function versions() {
  const compared = Object.keys(manifest(HERE).dependencies);
  return {
    library: versionIn(LIBRARY),
    platform: Object.fromEntries(PLATFORM.map((name) => [name, installed(LIBRARY, name)])),
    compared: Object.fromEntries(compared.map((name) => [name, installed(HERE, name)])),
  };
}

/**
 * @throws when what both sides use is not the same, which would be measured along
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
