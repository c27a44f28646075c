// @ts-check
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * What can only be measured inside a page. The functions given to `evaluate` run there, so they use nothing from here.
 */

/** @typedef {import('playwright-core').Page} Page */
/** @typedef {[number, number, number, number]} Rgba red, green and blue from 0 to 255, alpha from 0 to 1 */
/** @typedef {{ what: string, colour: Rgba, behind: Rgba[], unclear: boolean }} Paint `behind`: from the nearest layer to an opaque one */

/**
 * All visible text, with its contrast to what lies behind it (WCAG 2.2, 1.4.3).
 *
 * @param {Page} page
 */
export async function textContrasts(page) {
  return (await paints(page, 'text')).map(({ what, ...paint }) => ({ what, contrast: contrast(paint) }));
}

/**
 * The contrast of the focus mark of what has the focus; 0 where it has none (WCAG 2.2, 2.4.7 and 1.4.11).
 *
 * @param {Page} page
 */
export async function focusContrast(page) {
  const [mark] = await paints(page, 'focus');
  return mark === undefined ? 0 : contrast(mark);
}

/**
 * @param {Page} page
 * @param {'text' | 'focus'} kind
 * @returns {Promise<Paint[]>}
 */
function paints(page, kind) {
  return page.evaluate((wanted) => {
    const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    if (canvas === null) throw new Error('no canvas');

    /** @param {string} colour @returns {Rgba} whichever notation it is in */
    const resolve = (colour) => {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = colour;
      canvas.fillRect(0, 0, 1, 1);
      const [red = 0, green = 0, blue = 0, alpha = 0] = canvas.getImageData(0, 0, 1, 1).data;
      return [red, green, blue, alpha / 255];
    };

    /** @param {Element} element @param {string} colour @param {string} what @returns {Paint} */
    const paint = (element, colour, what) => {
      /** @type {Rgba[]} */
      const behind = [];
      let unclear = false;
      for (let layer = /** @type {Element | null} */ (element); layer !== null; layer = layer.parentElement) {
        const { backgroundColor, backgroundImage, opacity, filter } = getComputedStyle(layer);
        const background = resolve(backgroundColor);
        if (behind.at(-1)?.[3] !== 1 && background[3] > 0) {
          behind.push(background);
          unclear ||= backgroundImage !== 'none';
        }
        unclear ||= opacity !== '1' || filter !== 'none';
      }
      return { what, colour: resolve(colour), behind, unclear: unclear || behind.at(-1)?.[3] !== 1 };
    };

    if (wanted === 'focus') {
      const { activeElement } = document;
      if (activeElement === null || activeElement.parentElement === null) return [];
      const { outlineStyle, outlineWidth, outlineColor } = getComputedStyle(activeElement);
      const isMarked = outlineStyle !== 'none' && Number.parseFloat(outlineWidth) >= 2;
      return isMarked ? [paint(activeElement.parentElement, outlineColor, 'focus')] : [];
    }

    const found = [];
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      const element = texts.currentNode.parentElement;
      const text = texts.currentNode.nodeValue?.trim();
      if (!element?.checkVisibility({ visibilityProperty: true }) || !text) continue;
      found.push(paint(element, getComputedStyle(element).color, text));
    }
    for (const input of document.querySelectorAll('input:not([type=hidden])')) {
      found.push(paint(input, getComputedStyle(input).color, `what is typed as ${input.getAttribute('name')}`));
    }
    return found;
  }, kind);
}

/** @param {Omit<Paint, 'what'>} paint */
function contrast({ colour, behind, unclear }) {
  if (unclear) return 0;
  const background = behind.reduceRight(over);
  const [darker = 0, lighter = 0] = [luminance(background), luminance(over(background, colour))].toSorted(
    (a, b) => a - b,
  );
  return (lighter + 0.05) / (darker + 0.05);
}

/**
 * @param {Rgba} below opaque
 * @param {Rgba} above
 * @returns {Rgba}
 */
function over([red, green, blue], [r, g, b, alpha]) {
  const mix = (/** @type {number} */ below, /** @type {number} */ above) => above * alpha + below * (1 - alpha);
  return [mix(red, r), mix(green, g), mix(blue, b), 1];
}

/**
 * Relative luminance (WCAG 2.2).
 *
 * @param {Rgba} colour
 */
function luminance([red, green, blue]) {
  const linear = (/** @type {number} */ channel) => {
    const value = channel / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
}

/**
 * How light the page is behind everything, from 0 to 1.
 *
 * @param {Page} page
 */
export async function backgroundLuminance(page) {
  const [first] = await paints(page, 'text');
  return luminance(first?.behind.reduceRight(over) ?? [255, 255, 255, 1]);
}

/**
 * What does not fit into the width of the viewport, or into its own box.
 *
 * @param {Page} page
 * @returns {Promise<{ width: number, scrollWidth: number, overflowing: string[] }>}
 */
export function horizontalOverflow(page) {
  return page.evaluate(() => {
    const { clientWidth: width, scrollWidth } = document.documentElement;
    const overflowing = [...document.body.querySelectorAll('*')].filter((element) => {
      const { left, right } = element.getBoundingClientRect();
      return (
        left < -0.5 || right > width + 0.5 || (element.clientWidth > 0 && element.scrollWidth > element.clientWidth + 1)
      );
    });
    const describe = (/** @type {Element} */ element) =>
      `<${element.localName}> ${element.textContent?.trim().slice(0, 60)}`;
    return { width, scrollWidth, overflowing: overflowing.map(describe) };
  });
}

/**
 * Everything in the page that runs code or loads something.
 *
 * @param {Page} page
 * @returns {Promise<string[]>}
 */
export function activeContent(page) {
  return page.evaluate(() =>
    [...document.querySelectorAll('*')]
      .filter(
        ({ localName, attributes }) =>
          ['script', 'iframe', 'object', 'embed', 'img', 'svg', 'base'].includes(localName) ||
          [...attributes].some(
            ({ name, value }) =>
              name.startsWith('on') ||
              /^\s*javascript:/i.test(value) ||
              (['src', 'srcset'].includes(name) || (localName === 'link' && name === 'href')
                ? !value.startsWith('data:')
                : false),
          ),
      )
      .map(({ outerHTML }) => outerHTML.slice(0, 200)),
  );
}

/**
 * What has the focus, as assistive technology is told: its role, name and description. Empty where nothing has it.
 *
 * @param {Page} page
 */
export async function focused(page) {
  const devTools = await page.context().newCDPSession(page);
  const { result } = await devTools.send('Runtime.evaluate', { expression: 'document.activeElement' });
  if (result.objectId === undefined || result.className === 'HTMLBodyElement') return '';
  const { nodes } = await devTools.send('Accessibility.getPartialAXTree', {
    objectId: result.objectId,
    fetchRelatives: false,
  });
  const [{ role, name, description } = {}] = nodes;
  await devTools.detach();
  return [role?.value, name?.value, description?.value].filter(Boolean).join(', ');
}
