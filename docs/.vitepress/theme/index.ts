// Without the web fonts of the default theme: the pages use the fonts of the system.
import DefaultTheme from 'vitepress/theme-without-fonts';
import { h } from 'vue';
import requestFlow from '../../images/request-flow.svg?url';
import './style.css';

const REQUEST_FLOW =
  'Five checks by the guard, each with the status it refuses with, then the MCP framework, then the guard once more at the handler, then your tool';

export default {
  extends: DefaultTheme,
  Layout: () =>
    h(DefaultTheme.Layout, null, {
      'home-hero-image': () => h('img', { class: 'request-flow', src: requestFlow, alt: REQUEST_FLOW }),
    }),
};
