import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export const root = join(import.meta.dirname, '..', '..', '..');

/** A fenced code block of a document. */
export interface Block {
  /** Path of the document from the root, and the line of the fence: `README.md:21`. */
  readonly place: string;
  readonly language: string;
  readonly text: string;
}

/** The documents in the repository, without what is said of changes. */
export function documents(): readonly string[] {
  const listed = execFileSync('git', ['ls-files', '*.md'], { cwd: root, encoding: 'utf8' })
    .trim()
    .split('\n');
  return listed.filter((path) => !path.startsWith('.changeset/') && !path.endsWith('CHANGELOG.md'));
}

/** @throws Error when a fence is not closed: everything after it would not be seen. */
export function blocksOf(path: string, text = readFileSync(join(root, path), 'utf8')): readonly Block[] {
  const blocks: Block[] = [];
  let open: { readonly line: number; readonly fence: string; readonly language: string } | undefined;
  let body: string[] = [];
  for (const [at, line] of text.split('\n').entries()) {
    const [, fence = '', language = ''] = /^ {0,3}(`{3,}|~{3,})\s*(\S*)/.exec(line) ?? [];
    if (open === undefined) {
      if (fence !== '') open = { line: at + 1, fence, language };
      body = [];
    } else if (fence.startsWith(open.fence) && line.trim() === fence) {
      blocks.push({
        place: `${path}:${open.line}`,
        language: open.language,
        text: body.map((each) => `${each}\n`).join(''),
      });
      open = undefined;
    } else body.push(line);
  }
  if (open !== undefined) throw new Error(`${path}:${open.line}: this code block has no end`);
  return blocks;
}
