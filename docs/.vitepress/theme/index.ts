// Without the fonts that the default theme brings along: those of the system do.
import DefaultTheme from 'vitepress/theme-without-fonts';
import './style.css';

export default DefaultTheme;
