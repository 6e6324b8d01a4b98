import type { Socket } from 'node:net';
import { vbucketOf } from './bucket.js';
import { ERROR_MAP } from './configuration.js';
import { Packets } from './packets.js';
import {
  durabilityOf,
  FEATURES,
  leb128,
  OPERATIONS,
  type Operation,
  type Reply,
  type Request,
  replyTo,
  requestIn,
  STATUS,
} from './protocol.js';
import { Scans } from './scans.js';
import { Scram } from './scram.js';
import type { Server } from './server.js';
import { changed, lookedUp } from './subdocument.js';

const GRANTED: ReadonlySet<number> = new Set(Object.values(FEATURES));
/** What needs no bucket. */
const EARLY: ReadonlySet<Operation> = new Set([
  'hello',
  'saslMechanisms',
  'saslAuth',
  'saslStep',
  'selectBucket',
  'clusterConfig',
  'errorMap',
  'noop',
]);
const WITH_KEY: ReadonlySet<Operation> = new Set([
  'get',
  'upsert',
  'insert',
  'replace',
  'remove',
  'touch',
  'getAndTouch',
  'getMeta',
  'lookupIn',
  'mutateIn',
]);
const OK: Reply = { status: STATUS.success };

/** One client: answers in the order of the requests. */
export class Connection {
  readonly #server: Server;
  readonly #socket: Socket;
  readonly #scans: Scans;
  readonly #features = new Set<number>();
  #scram: Scram | undefined;
  #known = false;
  #bucket: string | undefined;
  readonly #packets = new Packets();

  constructor(server: Server, socket: Socket, gone: () => void) {
    this.#server = server;
    this.#socket = socket;
    this.#scans = new Scans(server.bucket);
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('error', () => socket.destroy());
    socket.on('close', gone);
  }

  cut(): void {
    this.#socket.resetAndDestroy();
  }

  #take(chunk: Buffer): void {
    const replies: Buffer[] = [];
    for (const packet of this.#packets.take(chunk)) {
      const request = requestIn(packet);
      if (request === undefined) throw new Error(`no request begins with ${packet[0]}`);
      const operation = OPERATIONS.get(request.opcode);
      const reply =
        operation === undefined ? { status: STATUS.unknownCommand } : this.#answer(operation, request);
      replies.push(replyTo(request, reply));
    }
    if (replies.length > 0) this.#socket.write(Buffer.concat(replies));
  }

  #answer(operation: Operation, request: Request): Reply {
    if (EARLY.has(operation)) return this.#early(operation, request);
    if (!this.#known) return { status: STATUS.authError };
    if (this.#bucket === undefined) return { status: STATUS.noBucket };
    return WITH_KEY.has(operation) ? this.#document(operation, request) : this.#other(operation, request);
  }

  #early(operation: Operation, { key, value }: Request): Reply {
    const { settings } = this.#server;
    switch (operation) {
      case 'hello': {
        for (let at = 0; at + 1 < value.length; at += 2) {
          const feature = value.readUInt16BE(at);
          if (GRANTED.has(feature)) this.#features.add(feature);
        }
        const granted = Buffer.alloc(this.#features.size * 2);
        for (const [at, feature] of [...this.#features].entries()) granted.writeUInt16BE(feature, at * 2);
        return { status: STATUS.success, value: granted };
      }
      case 'saslMechanisms':
        return { status: STATUS.success, value: Buffer.from('SCRAM-SHA512') };
      case 'saslAuth':
        if (key.toString() !== 'SCRAM-SHA512') return { status: STATUS.authError };
        this.#scram = new Scram(value.toString(), settings.user, settings.password);
        return { status: STATUS.authContinue, value: Buffer.from(this.#scram.challenge) };
      case 'saslStep': {
        const proof = this.#scram?.proved(value.toString());
        if (proof === undefined) return { status: STATUS.authError };
        this.#known = true;
        return { status: STATUS.success, value: Buffer.from(proof) };
      }
      case 'errorMap':
        return { status: STATUS.success, value: Buffer.from(ERROR_MAP) };
      case 'noop':
        return OK;
    }
    if (!this.#known) return { status: STATUS.authError };
    if (operation === 'clusterConfig')
      return {
        status: STATUS.success,
        value: Buffer.from(JSON.stringify(this.#server.configuration(this.#bucket))),
      };
    if (key.toString() !== settings.bucket) return { status: STATUS.noAccess };
    this.#bucket = settings.bucket;
    return OK;
  }

  #other(operation: Operation, { vbucket, value, extras }: Request): Reply {
    switch (operation) {
      case 'collectionId': {
        const path = value.toString();
        const id = this.#server.collectionId(path);
        if (id === undefined) {
          const known = this.#server.hasScope(path.slice(0, path.indexOf('.')));
          return { status: known ? STATUS.unknownCollection : STATUS.unknownScope };
        }
        const body = Buffer.alloc(12);
        body.writeBigUInt64BE(1n, 0);
        body.writeUInt32BE(id, 8);
        return { status: STATUS.success, extras: body };
      }
      case 'scanCreate':
        return this.#scans.create(vbucket, value);
      case 'scanContinue':
        return this.#scans.continue(vbucket, extras);
      case 'scanCancel':
        return this.#scans.cancel(extras);
      default:
        return { status: STATUS.unknownCommand };
    }
  }

  #document(operation: Operation, request: Request): Reply {
    const { extras, value, cas, vbucket, frames } = request;
    const [collection, keyAt] = this.#features.has(FEATURES.collections) ? leb128(request.key) : [0, 0];
    const bytes = request.key.subarray(keyAt);
    // A client that maps keys to other partitions than the cluster does would not find anything.
    if (vbucketOf(bytes) !== vbucket) return { status: STATUS.notMyVbucket };
    const durability = durabilityOf(frames);
    if (durability > 3) return { status: STATUS.durabilityInvalid };
    const { bucket } = this.#server;
    const key = bytes.toString('latin1');
    switch (operation) {
      case 'insert':
      case 'upsert':
      case 'replace': {
        const writing = { cas, flags: extras.readUInt32BE(0), expiry: extras.readUInt32BE(4) };
        return this.#withToken(bucket[operation](collection, key, value, writing));
      }
      case 'remove':
        return this.#withToken(bucket.remove(collection, key, cas));
      case 'touch': {
        const found = bucket.touch(collection, key, extras.readUInt32BE(0));
        return found === undefined ? { status: STATUS.notFound } : { ...OK, cas: found.cas };
      }
    }
    const found =
      operation === 'getAndTouch'
        ? bucket.touch(collection, key, extras.readUInt32BE(0))
        : bucket.find(collection, key);
    if (found === undefined) return { status: STATUS.notFound };
    switch (operation) {
      case 'lookupIn':
        return { ...lookedUp(found, value), cas: found.cas };
      case 'mutateIn': {
        if (cas !== 0n && cas !== found.cas) return { status: STATUS.exists };
        const after = changed(found.value, value);
        if (!Buffer.isBuffer(after)) return after;
        const expiry = extras.length >= 4 ? extras.readUInt32BE(0) : found.expiry;
        return this.#withToken(bucket.replace(collection, key, after, { cas, flags: found.flags, expiry }));
      }
      case 'getMeta': {
        const meta = Buffer.alloc(21);
        meta.writeUInt32BE(found.flags, 4);
        meta.writeUInt32BE(found.expiry, 8);
        meta.writeBigUInt64BE(found.seqno, 12);
        return { ...OK, extras: meta, cas: found.cas };
      }
      default: {
        const flags = Buffer.alloc(4);
        flags.writeUInt32BE(found.flags, 0);
        return { ...OK, extras: flags, value: found.value, cas: found.cas };
      }
    }
  }

  #withToken(reply: Reply): Reply {
    if (this.#features.has(FEATURES.mutationTokens)) return reply;
    return { ...reply, extras: Buffer.alloc(0) };
  }
}
