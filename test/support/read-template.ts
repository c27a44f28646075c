import { readResourceTemplate, type ResourceTemplate } from '../../lib/core/resource-template.js';

/** A template that is right. */
export function readTemplate(value: string): ResourceTemplate {
  const read = readResourceTemplate(value);
  if ('problem' in read) throw new Error(read.problem);
  return read;
}
