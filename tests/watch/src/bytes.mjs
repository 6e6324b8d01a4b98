// Noticing every byte that leaves this process by a socket, a file descriptor, stdout or stderr.
import fs from 'node:fs';
import net from 'node:net';
import { basename } from 'node:path';
import { openStream } from './sink.mjs';

/** Of a longer flow in one direction, the beginning and the end are kept. */
const HEAD = 256 * 1024;
const TAIL = 64 * 1024;

/** Connections that the gateway opens to the services behind it. */
const GATEWAY = /[\\/]router-proxy[\\/](?:src|dist)[\\/]/;
/** The commands of `sessionkit` that are a client of the admin API, and no gateway. */
const CLIENTS = ['sessions', 'reload'];
const gatewayProcess =
  basename(process.argv[1] ?? '').startsWith('sessionkit') && !CLIENTS.includes(process.argv[2]);

/** One direction of a connection. A flow begins when the other side has said something. */
class Flow {
  #take;
  #heard = 0;
  #since = 0;
  #tail = [];
  #held = 0;
  #left = 0;

  constructor(kind, socket, peer) {
    this.#take = openStream(kind, peer);
    socket.once('close', () => this.#release());
  }

  write(socket, bytes) {
    if (socket.bytesRead !== this.#heard) {
      this.#release();
      this.#heard = socket.bytesRead;
      this.#since = 0;
    }
    if (this.#since < HEAD) {
      this.#since += bytes.length;
      this.#take(bytes);
      return;
    }
    this.#tail.push(bytes);
    this.#held += bytes.length;
    while (this.#held - (this.#tail[0]?.length ?? 0) >= TAIL) {
      const dropped = this.#tail.shift().length;
      this.#held -= dropped;
      this.#left += dropped;
    }
  }

  #release() {
    if (this.#left > 0) this.#take(`\n[${this.#left} bytes of a long flow left out]\n`);
    for (const bytes of this.#tail) this.#take(bytes);
    this.#tail = [];
    this.#held = 0;
    this.#left = 0;
  }
}

export function watchBytes() {
  const flows = new WeakMap();
  const upstream = new WeakSet();
  const peers = new WeakMap();
  const silent = new WeakSet();
  const { connect, _write, _writev } = net.Socket.prototype;

  net.Socket.prototype.connect = function (...args) {
    if (gatewayProcess || GATEWAY.test(stack())) upstream.add(this);
    // (port, host), (options), (path), or one of these in an array, as node itself passes them.
    const [first, second] = args.flat();
    peers.set(
      this,
      typeof first === 'object' ? `${first.host ?? ''}:${first.port ?? ''}` : `${second}:${first}`,
    );
    return Reflect.apply(connect, this, args);
  };

  const noteWrite = (socket, chunk, encoding) => {
    if (silent.has(socket)) return;
    let flow = flows.get(socket);
    if (flow === undefined) {
      const kind = kindOf(socket);
      if (kind === undefined) {
        silent.add(socket);
        return;
      }
      flow = new Flow(kind, socket, peers.get(socket) ?? `${socket.remoteAddress}:${socket.remotePort}`);
      flows.set(socket, flow);
    }
    flow.write(socket, typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk);
  };
  const kindOf = (socket) => {
    if (socket === process.stdout || socket === process.stderr) return 'output';
    if (socket.server) return 'response';
    if (upstream.has(socket)) return 'upstream';
    // Neither accepted nor connected: the stdin of a child, and what a test tells it is no output of ours.
    return peers.has(socket) ? 'request' : undefined;
  };

  // The two methods through which all that a socket is told to write goes, also what http and TLS write.
  net.Socket.prototype._write = function (chunk, encoding, done) {
    noteWrite(this, chunk, encoding);
    return Reflect.apply(_write, this, [chunk, encoding, done]);
  };
  net.Socket.prototype._writev = function (chunks, done) {
    for (const { chunk, encoding } of chunks) noteWrite(this, chunk, encoding);
    return Reflect.apply(_writev, this, [chunks, done]);
  };

  // Loggers write to descriptors; the sink has kept the original of writeSync.
  const files = new Map();
  const noteFile = (fd, data) => {
    if (typeof data !== 'string' && !ArrayBuffer.isView(data)) return;
    let take = files.get(fd);
    if (take === undefined) {
      take = openStream(fd === 1 || fd === 2 ? 'output' : 'file', `descriptor ${fd}`);
      files.set(fd, take);
    }
    take(typeof data === 'string' ? data : bytesOf(data));
  };
  for (const name of ['write', 'writeSync']) {
    const original = fs[name];
    const watched = (fd, data, ...rest) => {
      noteFile(fd, data);
      return original(fd, data, ...rest);
    };
    // What util.promisify reads.
    fs[name] = Object.defineProperties(watched, Object.getOwnPropertyDescriptors(original));
  }
}

function stack() {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 40;
  const { stack: text } = new Error('where');
  Error.stackTraceLimit = limit;
  return text ?? '';
}

const bytesOf = (view) => Buffer.from(view.buffer, view.byteOffset, view.byteLength);
