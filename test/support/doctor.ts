import { main } from '../../lib/cli/main.js';

/** The result of one run of the command line tool. */
export interface CliRun {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** The process in which the tool runs. */
export interface CliSurroundings {
  readonly environment?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly files?: Readonly<Record<string, string>>;
  readonly isTerminal?: boolean;
}

/** The JSON document that docs/guides/doctor.md describes. */
export interface DoctorDocument {
  readonly version: number;
  readonly target: string;
  readonly kind: string;
  readonly remarks: readonly string[];
  readonly sections: readonly {
    readonly subject: string;
    readonly name: string;
    readonly checks: readonly DoctorRow[];
  }[];
  readonly counts: Readonly<Record<string, number>>;
  readonly exitCode: number;
}

export interface DoctorRow {
  readonly id: string;
  readonly level: 'ok' | 'note' | 'warning' | 'error' | 'unseen';
  readonly seen: string;
  readonly consequence?: string;
  readonly remedy?: string;
}

/** Runs the tool in this process. */
export async function runCli(args: readonly string[], surroundings: CliSurroundings = {}): Promise<CliRun> {
  let [out, err] = ['', ''];
  const code = await main(args, {
    write: (text) => void (out += text),
    writeError: (text) => void (err += text),
    readInput: async () => surroundings.input ?? '',
    readFile: async (path) => {
      const text = surroundings.files?.[path];
      if (text === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
      return text;
    },
    environment: surroundings.environment ?? {},
    isTerminal: surroundings.isTerminal ?? false,
  });
  return { code, out, err };
}

export interface Examination extends CliRun {
  readonly document: DoctorDocument;
  /** All rows, in order. */
  readonly rows: readonly DoctorRow[];
  /** The rows of one level as `id: seen`. */
  of(level: DoctorRow['level']): string[];
}

/** Runs `doctor --json` and parses the report. */
export async function examine(
  url: string,
  args: readonly string[] = [],
  surroundings: CliSurroundings = {},
): Promise<Examination> {
  const run = await runCli(['doctor', url, '--json', ...args], surroundings);
  if (run.out === '') throw new Error(`The doctor printed no report, but: ${run.err}`);
  const document = JSON.parse(run.out) as DoctorDocument;
  const rows = document.sections.flatMap(({ checks }) => checks);
  return {
    ...run,
    document,
    rows,
    of: (wanted) => rows.filter(({ level }) => level === wanted).map(({ id, seen }) => `${id}: ${seen}`),
  };
}
