/** The complete style of the pages, in one constant because the Content-Security-Policy allows it by its hash. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --page: #f3f4f7; --card: #fff; --line: #dcdfe6; --text: #1b1f27; --muted: #5a6270;
  --accent: #2450d6; --accent-text: #fff; --soft: #f7f8fb; --strip: #fff1c7; --strip-text: #5c4300;
  --new: #e4ecff; --new-text: #1d3fae; --bad: #fdeaea; --bad-text: #98191f;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #12141a; --card: #1b1e26; --line: #343945; --text: #eceef3; --muted: #a3abba;
    --accent: #8aa9ff; --accent-text: #0d1530; --soft: #22262f; --strip: #40340d; --strip-text: #ffe39a;
    --new: #24305a; --new-text: #c3d1ff; --bad: #4a1c20; --bad-text: #ffc9cc;
  }
}
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; background: var(--page); color: var(--text); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
.strip { margin: 0; padding: .4rem .5rem; background: var(--strip); color: var(--strip-text); text-align: center; font-size: clamp(.75rem, 3.6vw, .875rem); font-weight: 600; }
main { width: min(30rem, 100% - 2rem); margin: clamp(1rem, 7vh, 4rem) auto 2rem; padding: clamp(1.25rem, 5vw, 2rem); background: var(--card); border: 1px solid var(--line); border-radius: 14px; overflow-wrap: anywhere; }
h1 { margin: 0 0 .5rem; font-size: 1.5rem; line-height: 1.25; letter-spacing: -.01em; text-wrap: balance; }
h2 { margin: 0; font-size: 1rem; }
p { margin: 0 0 1rem; }
code { font: .8125rem/1.4 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; color: var(--muted); }
.muted { color: var(--muted); font-size: .9375rem; }
.alert { padding: .625rem .875rem; border-radius: 8px; background: var(--bad); color: var(--bad-text); font-weight: 500; }
button, input { font: inherit; color: inherit; }
button { min-height: 2.75rem; padding: .5rem 1.125rem; border: 1px solid var(--line); border-radius: 9px; background: var(--card); font-weight: 600; cursor: pointer; }
button:hover { background: var(--soft); }
button.primary { border-color: var(--accent); background: var(--accent); color: var(--accent-text); }
button.primary:hover { filter: brightness(1.08); }
button.link { min-height: 0; padding: 0; border: 0; background: none; color: var(--accent); font-weight: 500; text-decoration: underline; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.users { display: grid; gap: .625rem; margin: 1.25rem 0; padding: 0; list-style: none; }
.users button { display: flex; align-items: center; gap: .875rem; width: 100%; padding: .625rem .875rem; text-align: left; font-weight: 500; }
.users .initial { display: grid; place-items: center; flex: none; width: 2.25rem; height: 2.25rem; border-radius: 50%; background: var(--new); color: var(--new-text); font-weight: 700; }
.users small { display: block; color: var(--muted); font-size: .8125rem; font-weight: 400; }
.or { display: flex; align-items: center; gap: .75rem; margin: 1.25rem 0; color: var(--muted); font-size: .875rem; }
.or::before, .or::after { content: ""; flex: 1; border-top: 1px solid var(--line); }
.field { display: block; margin-bottom: .875rem; font-size: .9375rem; font-weight: 600; }
.field input { display: block; width: 100%; min-height: 2.75rem; margin-top: .25rem; padding: .5rem .75rem; border: 1px solid var(--muted); border-radius: 9px; background: var(--card); font-weight: 400; }
.actions { display: flex; flex-wrap: wrap; gap: .625rem; margin-top: 1.25rem; }
.actions > * { flex: 1 1 8rem; display: grid; }
.actions button { place-content: center; }
main > :last-child { margin-bottom: 0; }
.account { margin-top: 1.25rem; }
.group { margin: 0 0 1rem; border: 1px solid var(--line); border-radius: 10px; }
.group header { padding: .75rem 1rem; border-bottom: 1px solid var(--line); background: var(--soft); border-radius: 10px 10px 0 0; }
.group ul { margin: 0; padding: 0 1rem; list-style: none; }
.group li { display: flex; justify-content: space-between; align-items: start; gap: 1rem; padding: .75rem 0; }
.group li + li { border-top: 1px solid var(--line); }
.group li code { display: block; }
.group li .badge { flex: none; margin-top: .125rem; padding: .0625rem .5rem; border: 1px solid var(--line); border-radius: 99px; color: var(--muted); font-size: .75rem; font-weight: 600; }
.group li .badge.new { border-color: transparent; background: var(--new); color: var(--new-text); }
dl { margin: 0 0 1rem; font-size: .9375rem; }
dt { color: var(--muted); }
dd { margin: 0 0 .5rem; }
form { margin: 0; }
`;
