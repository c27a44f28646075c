import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { installSuite } from './install.js';

/** A check of the suite that did not pass. */
export interface Failure {
  /** The scenario and the check: `tools-list:tools-list-returned`. */
  readonly id: string;
  readonly message: string;
}

/** What a run of the suite found. */
export interface SuiteResult {
  readonly passed: number;
  readonly failures: readonly Failure[];
}

interface ReportedCheck {
  readonly id: string;
  readonly status: string;
  readonly errorMessage?: string;
}

/**
 * Runs the suite with the arguments of its command line, and reads its reports.
 *
 * @param onOutput called with what it prints
 */
export async function runSuite(args: readonly string[], onOutput?: (text: string) => void): Promise<SuiteResult> {
  const output = mkdtempSync(join(tmpdir(), 'mcp-conformance-run-'));
  try {
    const [command, ...script] = installSuite();
    const child = spawn(command, [...script, ...args, '--output-dir', output], { stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        text = (text + String(chunk)).slice(-10_000);
        onOutput?.(String(chunk));
      });
    }
    await once(child, 'close');
    const result = readReports(output);
    if (result.passed + result.failures.length === 0) throw new Error(`The suite reported nothing:\n${text}`);
    return result;
  } finally {
    rmSync(output, { recursive: true, force: true });
  }
}

/** Reads one folder per scenario, whose name ends in a time. */
function readReports(folder: string): SuiteResult {
  const reports = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('checks.json'),
  );
  const checks = reports.flatMap((file) => {
    const scenario = (file.split(/[/\\]/).at(-2) ?? '').replace(/-\d{4}-\d\d-\d\dT.*$/, '').replace(/^server-/, '');
    return (JSON.parse(readFileSync(join(folder, file), 'utf8')) as ReportedCheck[]).map((check) => ({
      ...check,
      scenario,
    }));
  });
  const failed = checks.filter(({ status }) => status === 'FAILURE' || status === 'WARNING');
  return {
    passed: checks.filter(({ status }) => status === 'SUCCESS').length,
    failures: failed.map(({ scenario, id, errorMessage = '' }) => ({ id: `${scenario}:${id}`, message: errorMessage })),
  };
}
