import { once } from 'node:events';

let gone = false;
process.stdout.once('error', () => {
  gone = true;
});

/** Whether nobody reads stdout any more, as in `sessionkit sessions list | head`: then there is nothing left to do. */
export const readerGone = () => gone;

/** Writes to stdout and waits for a reader that is slower. */
export async function out(text: string): Promise<void> {
  if (gone || process.stdout.write(text)) return;
  const over = new AbortController();
  const next = (event: string) => once(process.stdout, event, { signal: over.signal });
  try {
    await Promise.race([next('drain'), next('close')]);
  } catch {
    gone = true;
  } finally {
    // Or the one that did not come would keep its listeners.
    over.abort();
  }
}
