/** The forms of a page, as far as sign-in and consent pages need it. */

/**
 * @param {string} html
 * @param {string} base the URL of the page
 * @returns {{ action: string, method: string, fields: { name: string, type: string, value: string, label: string }[] }[]}
 */
export function formsIn(html, base) {
  return Array.from(html.matchAll(/<form\b([^>]*)>([\s\S]*?)<\/form>/gi), ([, head, content]) => {
    const { action, method = 'get' } = attributesIn(head);
    return { action: new URL(action || base, base).href, method: method.toLowerCase(), fields: fieldsIn(content) };
  });
}

function fieldsIn(html) {
  return Array.from(html.matchAll(/<(input|button|select|textarea)\b([^>]*)>([^<]*)/gi), ([, tag, head, label]) => {
    const { name = '', type, value, ...others } = attributesIn(head);
    const kind = type || (tag.toLowerCase() === 'button' ? 'submit' : 'text');
    const isDisabled = 'disabled' in others;
    return {
      name: isDisabled ? '' : name,
      type: kind,
      value: value ?? (kind === 'checkbox' ? 'on' : ''),
      label: label.trim(),
    };
  });
}

function attributesIn(tag) {
  const found = tag.matchAll(/([\w:-]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+)))?/g);
  return Object.fromEntries(
    Array.from(found, ([, name, ...values]) => [
      name.toLowerCase(),
      decoded(values.find((value) => value !== undefined) ?? ''),
    ]),
  );
}

const NAMED = { quot: '"', apos: "'", lt: '<', gt: '>', amp: '&' };

function decoded(text) {
  return text.replaceAll(/&(?:#x([\da-f]+)|#(\d+)|(quot|apos|lt|gt|amp));/gi, (_all, hex, decimal, name) =>
    name ? NAMED[name.toLowerCase()] : String.fromCodePoint(hex ? parseInt(hex, 16) : Number(decimal)),
  );
}
