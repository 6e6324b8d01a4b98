// The places where a credential may be: where it is handed out, where its owner presents it, and the line with the password of
// the first admin. Everything else is a leak.

const START_LINE =
  /[!#$%&'*+.^_`|~0-9A-Za-z-]+ [^ \r\n]+ HTTP\/1\.[01](?=\r?\n|$)|HTTP\/1\.[01] [1-5]\d\d(?=[ \r\n])/g;
const PARAMETER = /[?&][^=&\s]+=$/;
/** The last is that of the transport which the suite of filters brings along. */
const PRESENTED = /^(?:cookie|authorization|x-filter-token)$/i;
const HANDED_OUT = /^(?:set-cookie|session-token|authorization)$/i;
/** A client that says anything anywhere, tokens too: what is looked for is that nobody else repeats it. */
const FUZZ = /(?:^|\/)fuzz\.test\.ts(?: |$)/;
/** Its subjects are broken on purpose, some in that they tell what they must not. */
const BROKEN = /(?:^|\/)tests\/kit\/kit\.test\.ts(?: |$)/;
/** How far before a hit the head of its message may begin, as a rule and at most. */
const NEAR = 2 * 1024;
const FAR = 64 * 1024;

/** Whether the secret that was found at `at` may be there; `label` names the test that ran. */
export function isAllowed(kind, who, bytes, { at, length, what }, label) {
  if (BROKEN.test(label)) return true;
  switch (kind) {
    case 'request':
      return FUZZ.test(label) || isPresented(bytes, at);
    case 'response':
      return what === 'session' && HANDED_OUT.test(fieldAt(bytes, at)?.name ?? '');
    case 'output':
      return what === 'password'
        ? isPasswordLine(lineAt(bytes, at, length))
        : isPrintedByCurl(who, lineAt(bytes, at, length));
    default:
      return false;
  }
}

function isPresented(bytes, at) {
  const field = fieldAt(bytes, at);
  if (field === undefined) return false;
  if (field.name !== '') return PRESENTED.test(field.name);
  // The value of a query parameter; a session's secret stands behind its id.
  return PARAMETER.test(field.before.replace(/s[0-7][0-9a-z]{25}\.$/, ''));
}

/** The field of the head in which `at` lies, its name empty in the start line; undefined in a body. */
function fieldAt(bytes, at) {
  const near = messageWithin(NEAR, bytes, at) ?? messageWithin(FAR, bytes, at);
  return near?.field;
}

/** Undefined where the message does not begin within so many bytes before. */
function messageWithin(far, bytes, at) {
  const from = Math.max(0, at - far);
  const before = bytes.toString('latin1', from, at);
  const lineStart = before.lastIndexOf('\n') + 1;
  if (lineStart === 0 && from > 0 && far < FAR) return undefined;
  const line = before.slice(lineStart);
  // A request line may follow the body before it without a line end.
  if (/[A-Z] \S*$/.test(line)) {
    const end = bytes.indexOf('\n', at);
    const rest = bytes.toString('latin1', at, end < 0 ? bytes.length : end);
    if (/ HTTP\/1\.[01]\r?$/.test(rest)) return { field: { name: '', before: line } };
  }
  let head = -1;
  for (const start of before.matchAll(START_LINE)) head = start.index;
  if (head < 0) return undefined;
  if (/\n\r?\n/.test(before.slice(head))) return { field: undefined };
  return { field: { name: line.slice(0, Math.max(0, line.indexOf(':'))), before: line } };
}

function lineAt(bytes, at, length) {
  const start = bytes.lastIndexOf(10, at) + 1;
  const end = bytes.indexOf(10, at + length);
  return bytes.toString('latin1', start, end < 0 ? bytes.length : end);
}

/** The line that shows the first admin's password, once, and the lines with `-u` that use it. Never a line of a JSON log. */
function isPasswordLine(line) {
  return (
    !line.trimStart().startsWith('{') &&
    /\bcurl\b.* -u '?[^\s:]+:|\bpassword\b|^\s*admin\s+\S+\s*$/i.test(line)
  );
}

/** `curl -i` shows what it was handed. */
function isPrintedByCurl(who, line) {
  return /^(?:curl|sh|bash)\b/.test(who) && /^(?:< )?(?:set-cookie|session-token): /i.test(line);
}
