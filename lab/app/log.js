/** What the library logs, kept for the steps that look at it. Nest has one logger for all applications of a process. */
class KeptLog {
  /** @type {{ level: string, text: string }[]} */
  #lines = [];

  log(text, context) {
    this.#keep('log', text, context);
  }

  warn(text, context) {
    this.#keep('warn', text, context);
  }

  error(text, ...more) {
    this.#keep('error', text, more.at(-1));
  }

  debug() {}

  verbose() {}

  /** The warnings and errors of the library since the last call. */
  takeWarnings() {
    const warnings = this.#lines.filter(({ level }) => level !== 'log').map(({ text }) => text);
    this.#lines = [];
    return warnings;
  }

  #keep(level, text, context) {
    if (context === 'McpAuth') this.#lines.push({ level, text: String(text) });
  }
}

export const log = new KeptLog();
