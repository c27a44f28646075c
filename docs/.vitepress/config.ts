import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defineConfig, type DefaultTheme } from 'vitepress';
import { repositoryLinks, ROOT_PAGES } from './repository-links.js';

/** Base path of the site, such as `/nestjs-mcp-auth/`, with a slash at both ends. */
const base = process.env['DOCS_BASE'] ?? '/';

const description =
  'Makes every MCP server in a NestJS application an OAuth 2.1 protected resource: metadata, token verification, scopes per tool with step-up.';

/** A data URL in the page: it works under any base path. */
const icon = `data:image/svg+xml,${encodeURIComponent(
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#3451b2"/><path d="M16 6a6 6 0 0 0-2 11.7V26h4v-8.3A6 6 0 0 0 16 6Z" fill="#fff"/></svg>',
)}`;

const guides: DefaultTheme.SidebarItem[] = [
  {
    text: 'Begin',
    items: [
      { text: 'Overview', link: '/overview' },
      { text: 'Protect a server', link: '/guides/protect-a-server' },
      { text: 'Protect an existing application', link: '/guides/existing-application' },
      { text: 'Scopes and step-up', link: '/guides/scopes' },
      { text: 'The access map', link: '/guides/access-map' },
      { text: 'Options', link: '/options' },
      { text: 'Authorization servers', link: '/providers' },
      { text: 'Compatibility', link: '/compatibility' },
      { text: 'Test your app', link: '/guides/testing' },
      { text: 'Troubleshooting', link: '/guides/troubleshooting' },
      { text: 'Samples', link: '/samples' },
    ],
  },
  {
    text: 'Tokens',
    items: [
      { text: 'Several resources in one app', link: '/guides/several-resources' },
      { text: 'Opaque tokens', link: '/guides/opaque-tokens' },
      { text: 'Tokens bound to a key', link: '/guides/dpop' },
      { text: 'Cut somebody off now', link: '/guides/revocation' },
      { text: 'Tokens bound to a certificate', link: '/guides/mutual-tls' },
      { text: 'Consent at third parties', link: '/guides/third-party-consent' },
      { text: 'Many tenants', link: '/guides/tenants' },
      { text: 'API keys and other credentials', link: '/guides/api-keys' },
      { text: 'A verifier of your own', link: '/guides/custom-verifier' },
      { text: 'Enterprise-managed authorization', link: '/guides/enterprise-managed-authorization' },
      { text: 'Call other APIs', link: '/guides/downstream-apis' },
      { text: 'Tokens for other APIs', link: '/guides/downstream-tokens' },
    ],
  },
  {
    text: 'Operations',
    items: [
      { text: 'Behind a proxy', link: '/guides/behind-a-proxy' },
      { text: 'Several replicas', link: '/guides/replicas' },
      { text: 'Observability', link: '/guides/observability' },
      { text: 'Doctor', link: '/guides/doctor' },
    ],
  },
  {
    text: 'Hosts',
    items: [
      { text: 'The official SDK', link: '/guides/official-sdk' },
      { text: '@rekog/mcp-nest 1.9', link: '/guides/mcp-nest-1' },
      { text: '@nestjs-mcp/server', link: '/guides/nestjs-mcp' },
      { text: 'Another framework', link: '/guides/other-frameworks' },
      { text: 'Declarations that hold', link: '/guides/declarations' },
      { text: 'stdio', link: '/guides/stdio' },
      { text: 'GraphQL, WebSockets, microservices', link: '/guides/other-handlers' },
    ],
  },
  {
    text: 'Moving over',
    items: [
      { text: 'From mcp-auth', link: '/guides/from-mcp-auth' },
      { text: 'From @rekog/mcp-nest-auth', link: '/guides/from-mcp-nest-auth' },
      { text: 'From a hand-written guard', link: '/guides/from-a-guard' },
    ],
  },
  {
    text: 'Project',
    items: [
      { text: 'Architecture', link: '/architecture' },
      { text: 'Change something', link: '/change-something' },
      { text: 'Security', link: '/security' },
      { text: 'Security controls', link: '/security-controls' },
      { text: 'Contributing', link: '/contributing' },
      { text: 'Changelog', link: '/changelog' },
    ],
  },
];

/** The entry points of the package. Each gets a section with the pages that TypeDoc generated. */
const ENTRY_POINTS = [
  'nestjs-mcp-auth',
  'nestjs-mcp-auth/sdk',
  'nestjs-mcp-auth/opentelemetry',
  'nestjs-mcp-auth/redis',
  'nestjs-mcp-auth/testing',
  'nestjs-mcp-auth/dev-server',
];

function apiSidebar(): DefaultTheme.SidebarItem[] {
  return ENTRY_POINTS.map((name, index) => ({
    text: name,
    link: `/api/${name}/README`,
    collapsed: index > 0,
    items: symbolsOf(name).map((path) => ({ text: path.slice(path.indexOf('/') + 1), link: `/api/${name}/${path}` })),
  }));
}

/** Paths such as `classes/McpAuthError`, sorted by name. */
function symbolsOf(name: string): string[] {
  const files = readdirSync(fileURLToPath(new URL(`../api/${name}/`, import.meta.url)), {
    recursive: true,
    encoding: 'utf8',
  });
  const paths = files
    .map((file) => file.replaceAll('\\', '/'))
    .filter((file) => /^(?:classes|functions|interfaces|type-aliases|variables)\/[^/]+\.md$/.test(file));
  const symbol = (path: string): string => path.slice(path.indexOf('/') + 1);
  return paths
    .map((path) => path.slice(0, -'.md'.length))
    .toSorted((one, other) => symbol(one).localeCompare(symbol(other)));
}

export default defineConfig({
  title: 'nestjs-mcp-auth',
  description,
  lang: 'en',
  base,
  head: [['link', { rel: 'icon', href: icon }]],
  // The root of the repository: README.md and other files become pages unchanged.
  srcDir: '..',
  srcExclude: [
    'bench/**',
    'build/**',
    'dist/**',
    'lab/**',
    'lib/**',
    'mutants/**',
    'schematics/**',
    'scripts/**',
    'test/**',
    'sample/*/**',
    'docs/api/README.md',
    '**/node_modules/**',
  ],
  rewrites: { ...ROOT_PAGES, 'docs/:page*': ':page*' },
  outDir: '.vitepress/dist',
  cacheDir: '.vitepress/cache',
  cleanUrls: false,
  metaChunk: true,
  markdown: {
    config: (md) => repositoryLinks(md),
  },
  vite: {
    // Pages outside of docs/ would otherwise look for Vue in the root.
    resolve: {
      alias: [
        {
          find: /^vue(\/server-renderer)?$/,
          replacement: `${fileURLToPath(new URL('../node_modules/vue', import.meta.url))}$1`,
        },
      ],
    },
  },
  themeConfig: {
    nav: [
      { text: 'Guides', link: '/guides/protect-a-server', activeMatch: '/guides/' },
      { text: 'API', link: '/api/nestjs-mcp-auth/README', activeMatch: '/api/' },
      { text: 'Troubleshooting', link: '/guides/troubleshooting' },
    ],
    sidebar: { '/api/': apiSidebar(), '/': guides },
    outline: { level: [2, 3] },
    search: { provider: 'local' },
  },
});
