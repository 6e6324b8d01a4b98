/** A Standard Schema without a library: a section with these texts, all of them needed, and no other key. */
export function schema(word, names) {
  const known = [word, ...names];
  const validate = (value) => {
    const wrong = known.find((name) => typeof value[name] !== 'string');
    const unknown = Object.keys(value).find((name) => !known.includes(name));
    if (wrong !== undefined) return { issues: [{ path: [wrong], message: 'must be a text' }] };
    if (unknown !== undefined)
      return { issues: [{ path: [unknown], message: 'this key is not known here' }] };
    return { value };
  };
  return { '~standard': { version: 1, vendor: 'acme', validate } };
}
