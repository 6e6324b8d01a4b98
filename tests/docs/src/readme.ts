/** What every package says of itself, in this order; where it has none of it, the section says so. */
const HEADINGS = ['Use', 'YAML', 'Options', 'Behaviour', 'Not here yet'];

/** What the README of a package has not, or has too much. */
export function faultsOf(name: string, text: string): readonly string[] {
  const prose = text.replace(/^```[\s\S]*?^```$/gm, '');
  const [head = '', ...sections] = text.replace(/^```[\s\S]*?^```$/gm, 'a block').split(/^## /m);
  const [title, sentence = ''] = head.split('\n\n');
  const headings = [...prose.matchAll(/^##? (.*)$/gm)].map(([, heading]) => heading);
  const empty = sections
    .map((section) => section.split('\n'))
    .filter(([, ...lines]) => lines.join('').trim() === '')
    .map(([heading]) => `${heading} says nothing`);
  return [
    ...(title === `# ${name}` ? [] : [`its title is not "# ${name}"`]),
    ...(/^[A-Z`][^|]*\.(\s|$)/.test(sentence) && !sentence.startsWith('Size:')
      ? []
      : ['it begins without a sentence']),
    ...(headings.slice(1).join() === HEADINGS.join()
      ? []
      : [`its headings are ${headings.slice(1).join(', ')}, not ${HEADINGS.join(', ')}`]),
    ...empty,
  ];
}
