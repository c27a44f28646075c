import type { Report } from './report.js';

/** Increases when a member is renamed, removed or changes its meaning; not when one is added. */
const SHAPE_VERSION = 1;

/** The report for programs: one JSON document. */
export function reportJson(report: Report): string {
  return `${JSON.stringify({ version: SHAPE_VERSION, ...report }, null, 2)}\n`;
}
