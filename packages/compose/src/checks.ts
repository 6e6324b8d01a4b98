import { isIP } from 'node:net';

/** What is wrong with a text, and what to do about it; undefined when it is right. */
export type TextCheck = (text: string) => { readonly message: string; readonly fix: string } | undefined;

/** Control characters, which no name, URL or path needs. */
const CONTROL = /\p{Cc}/u;

/** Names of services, servers, listeners, resources and groups. */
export const checkName: TextCheck = (text) => {
  const bytes = Buffer.byteLength(text);
  if (bytes === 0) return { message: 'a name must not be empty', fix: 'write a name before the ":"' };
  if (bytes > 255)
    return { message: `a name has at most 255 bytes, this one has ${bytes}`, fix: 'shorten it' };
  if (CONTROL.test(text))
    return { message: 'a name must not contain control characters', fix: 'use letters, digits, "-" and "_"' };
  return undefined;
};

/** The URL of a server. Never quoted in a message: it may hold a password. */
export const checkServerUrl: TextCheck = (text) => {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || url.hostname === '')
    return { message: 'this is not a URL', fix: 'write for example `url: "http://127.0.0.1:9001"`' };
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    return {
      message: `the scheme "${url.protocol.slice(0, -1)}" is not supported`,
      fix: 'use http:// or https://',
    };
  if (url.username !== '' || url.password !== '')
    return {
      message: 'the URL of a server must not contain credentials',
      fix: 'remove what stands before the "@"',
    };
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '')
    return {
      message: 'the URL of a server must not have a path or a query: requests keep their own',
      fix: `write \`url: "${url.origin}"\``,
    };
  return undefined;
};

/** An address or a range of them: `10.0.0.0/8`, `::1`. */
export const checkCidr: TextCheck = (text) => {
  const [address = '', prefix, ...rest] = text.split('/');
  const version = isIP(address);
  // Trust is compared as IPv4 then, and the prefix counts the 96 bits before it.
  const mapped = /^::ffff:\d+\.\d+\.\d+\.\d+$/i.test(address);
  const [least, most] = version === 4 ? [0, 32] : [mapped ? 96 : 0, 128];
  if (version === 0 || rest.length > 0)
    return {
      message: `${JSON.stringify(text)} is neither an IP address nor a range of them`,
      fix: 'write for example "10.0.0.0/8" or "fd00::/8"',
    };
  if (prefix !== undefined && (!/^\d{1,3}$/.test(prefix) || Number(prefix) < least || Number(prefix) > most))
    return {
      message: `${JSON.stringify(text)} has a bad prefix length`,
      fix: mapped
        ? 'write the IPv4 range without "::ffff:", or add 96 to the prefix length'
        : `an IPv${version} prefix length is ${least} to ${most}`,
    };
  return undefined;
};

/** The origin of a web page: `https://host[:port]`. */
export const checkOrigin: TextCheck = (text) => {
  if (text === '*' || text === 'null')
    return {
      message: `${JSON.stringify(text)} would let every site act for the user`,
      fix: 'name each origin, for example "https://app.example.com"',
    };
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:'))
    return {
      message: 'this is not an origin',
      fix: 'write scheme and host, for example "https://app.example.com"',
    };
  if (url.origin !== text)
    return {
      message: 'this is not an origin as browsers send it',
      fix: `write "${url.origin}"`,
    };
  return undefined;
};

export const checkPrefix: TextCheck = (text) => {
  if (!text.startsWith('/'))
    return {
      message: `${JSON.stringify(text)} does not begin with "/"`,
      fix: `write ${JSON.stringify(`/${text}`)}`,
    };
  if (/[?#*]/.test(text) || CONTROL.test(text))
    return {
      message: `${JSON.stringify(text)} is not a path prefix: it holds "?", "#", "*" or a control character`,
      fix: 'write whole path segments, for example "/app"',
    };
  return undefined;
};

export const checkLoginUrl: TextCheck = (text) => {
  const relative = text.startsWith('/') && !text.startsWith('//') && !text.startsWith('/\\');
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const absolute = url?.protocol === 'http:' || url?.protocol === 'https:';
  // It goes into a Location header as it stands.
  if ((relative || (absolute && /^https?:/.test(text))) && /^[\x21-\x7e]*$/.test(text)) return undefined;
  return {
    message: 'this is neither a path nor an http(s) URL of printable US-ASCII',
    fix: 'write for example "/login" or "https://login.example.com/"',
  };
};

/** `host:port`, `[::1]:port`; undefined when it is neither. */
export function splitListen(text: string): { address: string; port: number } | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:\s[\]]+)):(\d{1,5})$/.exec(text);
  const address = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (
    address === undefined ||
    port > 65_535 ||
    !isHost(address) ||
    (match?.[1] !== undefined && isIP(address) !== 6)
  )
    return undefined;
  return { address, port };
}

export const checkListen: TextCheck = (text) =>
  splitListen(text) === undefined
    ? {
        message: `${JSON.stringify(text)} is not an address and a port`,
        fix: 'write for example "127.0.0.1:8989" or "[::1]:8989"',
      }
    : undefined;

function isHost(text: string): boolean {
  if (isIP(text) !== 0) return true;
  // Digits and dots alone are meant as an address, and a wrong one.
  return /^[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?$/.test(text) && !/^[\d.]+$/.test(text);
}

export const checkAddress: TextCheck = (text) =>
  isHost(text)
    ? undefined
    : {
        message: `${JSON.stringify(text)} is neither an IP address nor a host name`,
        fix: 'write for example "127.0.0.1" (this machine only) or "0.0.0.0" (every IPv4 address)',
      };

export const checkHost: TextCheck = (text) =>
  isHost(text)
    ? undefined
    : {
        message: `${JSON.stringify(text)} is not a host name`,
        fix: 'write the bare name, without scheme and port: "admin.example.com"',
      };

/** Whether only programs of this machine can reach a listener on `address`. */
export function isLoopback(address: string): boolean {
  return address === 'localhost' || address === '::1' || (isIP(address) === 4 && address.startsWith('127.'));
}
