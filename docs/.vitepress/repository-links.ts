import { existsSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { MarkdownRenderer } from 'vitepress';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Pages of the site whose files are outside of docs/: file and page. */
export const ROOT_PAGES: Readonly<Record<string, string>> = {
  'README.md': 'overview.md',
  'CHANGELOG.md': 'changelog.md',
  'SECURITY.md': 'security.md',
  'CONTRIBUTING.md': 'contributing.md',
  'CODE_OF_CONDUCT.md': 'code-of-conduct.md',
  'sample/README.md': 'samples.md',
};

/**
 * Makes relative links work in the repository, where they name files, and on the site, where pages have other paths. A
 * link to a file that the site lacks, such as a folder of samples, becomes plain text. A link to a missing file stays
 * as it is: the check of dead links finds it.
 */
export function repositoryLinks(md: MarkdownRenderer): void {
  md.core.ruler.push('repository-links', (state) => {
    const env = state.env as { path: string; realPath?: string };
    const folder = dirname(env.realPath ?? env.path);
    for (const { children } of state.tokens) {
      let isUnwrapped = false;
      for (const token of children ?? []) {
        if (token.type === 'link_close' && isUnwrapped) {
          token.type = 'text';
          token.nesting = 0;
          isUnwrapped = false;
        }
        if (token.type !== 'link_open') continue;
        const place = placeOf(token.attrGet('href') ?? '', folder);
        if (place === undefined) {
          Object.assign(token, { type: 'text', nesting: 0 });
          isUnwrapped = true;
        } else token.attrSet('href', place);
      }
    }
  });
}

/** Undefined for files that the site does not have. */
function placeOf(href: string, folder: string): string | undefined {
  if (/^(?:[a-z][a-z+.-]*:|[#/])/i.test(href)) return href;
  const [path = '', anchor] = href.split('#');
  const target = resolve(folder, decodeURIComponent(path));
  const place = pageOf(relative(root, target).split(sep).join('/'));
  if (place !== undefined) return `/${place}${anchor === undefined ? '' : `#${anchor}`}`;
  return existsSync(target) ? undefined : href;
}

function pageOf(file: string): string | undefined {
  const page =
    ROOT_PAGES[file] ?? (file.startsWith('docs/') && file.endsWith('.md') ? file.slice('docs/'.length) : undefined);
  const isThere = page !== undefined && statSync(join(root, file), { throwIfNoEntry: false })?.isFile();
  return isThere ? page : undefined;
}
