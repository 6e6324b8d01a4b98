import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from './blocks.js';

const withoutBlocks = (text: string) => text.replace(/^(```+)[\s\S]*?^\1\s*$/gm, '');

/** What GitHub makes of a heading for links to it. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');

const anchorsOf = (text: string) =>
  [...withoutBlocks(text).matchAll(/^#{1,6} (.*)$/gm)].map(([, heading = '']) => anchorOf(heading));

/** The links of a document to something in the repository that is not there. */
export function brokenLinks(path: string, text = readFileSync(join(root, path), 'utf8')): readonly string[] {
  const links = [...withoutBlocks(text).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link);
  return links
    .filter((link) => !/^[a-z]+:/.test(link))
    .filter((link) => {
      const [target = '', anchor] = link.split('#');
      const file = target === '' ? join(root, path) : join(root, dirname(path), target);
      if (target !== '' && !existsSync(file)) return true;
      if (anchor === undefined || (target !== '' && statSync(file).isDirectory())) return false;
      return !anchorsOf(target === '' ? text : readFileSync(file, 'utf8')).includes(anchor);
    });
}
