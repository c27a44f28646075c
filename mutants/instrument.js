/** Writes the files of `lib` with their mutants: every mutant is in the code, and a switch says which one is active. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { Instrumenter } from '@stryker-mutator/instrumenter';
import { transformSync } from '@swc/core';
import { filesIn, FOLDERS, hashOf, instrumentedFile, read } from './places.js';

const SILENT = { info() {}, debug() {}, warn() {}, isDebugEnabled: () => false };
const OPTIONS = { plugins: null, excludedMutations: [], ignorers: [] };

/** The calls of Stryker's switch, whose ids count from 0 in each file. */
const SWITCH = /(stry(?:MutAct|Cov)_9fa48)\((\s*"\d+"(?:,\s*"\d+")*\s*)\)/g;

/**
 * Every file with its mutants. The id of a mutant is the path of its file and its number in it: it stays the same while the
 * file does.
 */
export async function instrumentAll() {
  const files = FOLDERS.flatMap((folder) => filesIn(`lib/${folder}`, '.ts'));
  return await Promise.all(files.map(instrument));
}

async function instrument(name) {
  const content = read(name);
  const result = await new Instrumenter(SILENT).instrument([{ name, content, mutate: true }], OPTIONS);
  const target = instrumentedFile(name);
  const withIds = result.files[0].content.replace(
    SWITCH,
    (_call, helper, ids) => `${helper}(${ids.replaceAll(/\d+/g, (id) => `${name}#${id}`)})`,
  );
  mkdirSync(dirname(target), { recursive: true });
  // Another run may be reading the file.
  if (!existsSync(target) || readFileSync(target, 'utf8') !== withIds) writeFileSync(target, withIds);
  const lines = content.split('\n');
  const mutants = result.mutants.map((mutant) => describeMutant(mutant, name, lines));
  return { name, hash: hashOf(codeOf(content)), mutants };
}

/** The code without comments and types, which have no mutants: where only these change, the results stay. */
export function codeOf(content) {
  const parser = { syntax: 'typescript', decorators: true };
  const minify = { compress: false, mangle: false, format: { comments: false } };
  return transformSync(content, { swcrc: false, minify: true, jsc: { parser, target: 'es2023', minify } }).code;
}

function describeMutant({ id, location: { start, end }, mutatorName, replacement }, file, lines) {
  const part = lines.slice(start.line, end.line + 1);
  part[part.length - 1] = part.at(-1).slice(0, end.column);
  part[0] = part[0].slice(start.column);
  return {
    id: `${file}#${id}`,
    number: Number(id),
    file,
    line: start.line + 1,
    mutator: mutatorName,
    original: part.join('\n').trim(),
    replacement,
    context: lines[start.line].trim(),
  };
}
