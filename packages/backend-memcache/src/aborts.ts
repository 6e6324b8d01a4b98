/** What is to be done when a signal aborts. One verb sends many commands, and Node takes more than ten listeners of a signal for a leak. */
const waiting = new WeakMap<AbortSignal, Set<() => void>>();

/** Runs `task` when `signal` aborts; the answered function prevents it. */
export function onAbort(signal: AbortSignal, task: () => void): () => void {
  let tasks = waiting.get(signal);
  if (tasks === undefined) {
    tasks = new Set();
    waiting.set(signal, tasks);
    const all = tasks;
    signal.addEventListener(
      'abort',
      () => {
        for (const each of all) each();
      },
      { once: true },
    );
  }
  tasks.add(task);
  const others = tasks;
  return () => void others.delete(task);
}
