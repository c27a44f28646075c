import { styleText } from 'node:util';
import type { Exchange } from './exchanges.js';

const colours = process.stdout.isTTY && !process.env.NO_COLOR;
const paint = (style: Parameters<typeof styleText>[0], text: string) => (colours ? styleText(style, text) : text);

/** Prints a run as numbered steps. A step that throws is the last one. */
export class Transcript {
  #number = 0;

  chapter(title: string): void {
    this.#number = 0;
    console.log(`\n${paint('bold', title)}\n`);
  }

  /** Runs one step and prints its report below the title. */
  readonly step = async (title: string, work: () => string[] | Promise<string[]>): Promise<void> => {
    const number = String(++this.#number).padStart(2);
    try {
      const report = await work();
      console.log(`${number} ${paint('green', '✓')} ${title}`);
      for (const line of report) console.log(paint('dim', `       ${line}`));
    } catch (error) {
      console.log(`${number} ${paint('red', '✗')} ${title}`);
      throw error;
    }
  };
}

/** An exchange as text for people, with one line for each parameter of a challenge. */
export function describe({ method, url, operation, status, statusText, challenge }: Exchange): string[] {
  const request = `${method} ${url.pathname}${operation ? `  (${operation})` : ''}`;
  const parameters = Object.entries(challenge ?? {});
  return [
    `${request} → ${status} ${statusText}`,
    ...(challenge ? [`WWW-Authenticate: ${challenge.algs ? 'DPoP' : 'Bearer'}`] : []),
    ...parameters.map(([name, value], i) => `  ${name}="${value}"${i < parameters.length - 1 ? ',' : ''}`),
  ];
}
