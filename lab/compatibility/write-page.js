/** `npm run lab:page` */
import { writePage } from './write.js';

writePage();
