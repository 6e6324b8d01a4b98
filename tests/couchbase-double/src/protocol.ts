/** Magic bytes of a packet: https://github.com/couchbase/kv_engine/blob/master/docs/BinaryProtocol.md */
const MAGIC = { request: 0x80, flexible: 0x08, response: 0x81, flexibleResponse: 0x18 } as const;

const OPCODES = {
  get: 0x00,
  upsert: 0x01,
  insert: 0x02,
  replace: 0x03,
  remove: 0x04,
  noop: 0x0a,
  touch: 0x1c,
  getAndTouch: 0x1d,
  hello: 0x1f,
  saslMechanisms: 0x20,
  saslAuth: 0x21,
  saslStep: 0x22,
  selectBucket: 0x89,
  getMeta: 0xa0,
  clusterConfig: 0xb5,
  collectionId: 0xbb,
  lookupIn: 0xd0,
  mutateIn: 0xd1,
  scanCreate: 0xda,
  scanContinue: 0xdb,
  scanCancel: 0xdc,
  errorMap: 0xfe,
} as const;

export type Operation = keyof typeof OPCODES;

export const OPERATIONS: ReadonlyMap<number, Operation> = new Map(
  Object.entries(OPCODES).map(([name, code]) => [code, name as Operation]),
);

export const STATUS = {
  success: 0x00,
  notFound: 0x01,
  exists: 0x02,
  tooLarge: 0x03,
  invalid: 0x04,
  notMyVbucket: 0x07,
  noBucket: 0x08,
  authError: 0x20,
  authContinue: 0x21,
  noAccess: 0x24,
  unknownCommand: 0x81,
  noMemory: 0x82,
  temporaryFailure: 0x86,
  unknownCollection: 0x88,
  unknownScope: 0x8c,
  durabilityInvalid: 0xa0,
  durabilityImpossible: 0xa1,
  durabilityAmbiguous: 0xa3,
  scanCancelled: 0xa5,
  scanMore: 0xa6,
  scanComplete: 0xa7,
  pathNotFound: 0xc0,
  pathMismatch: 0xc1,
  pathInvalid: 0xc2,
  notJson: 0xc6,
  multiPathFailure: 0xcc,
} as const;

/** What a client may ask for in HELLO, and what the double grants. */
export const FEATURES = {
  noDelay: 0x03,
  mutationTokens: 0x04,
  xattr: 0x06,
  extendedErrors: 0x07,
  selectBucket: 0x08,
  json: 0x0b,
  flexibleFraming: 0x10,
  durability: 0x11,
  collections: 0x12,
} as const;

const HEADER = 24;

export interface Request {
  readonly opcode: number;
  readonly frames: Buffer;
  readonly extras: Buffer;
  readonly key: Buffer;
  readonly value: Buffer;
  readonly vbucket: number;
  readonly opaque: number;
  readonly cas: bigint;
}

export interface Reply {
  readonly status: number;
  readonly extras?: Buffer;
  readonly value?: Buffer;
  readonly cas?: bigint;
}

/** How many bytes a packet that begins like this has at least. */
export function lengthOf(bytes: Buffer): number {
  return bytes.length < HEADER ? HEADER : HEADER + bytes.readUInt32BE(8);
}

/** What a client asks with a packet; undefined for one that is no request, such as its answer to a notice of the server. */
export function requestIn(packet: Buffer): Request | undefined {
  const magic = packet[0];
  if (magic !== MAGIC.request && magic !== MAGIC.flexible) return undefined;
  const flexible = magic === MAGIC.flexible;
  const framesLength = flexible ? packet.readUInt8(2) : 0;
  const keyLength = flexible ? packet.readUInt8(3) : packet.readUInt16BE(2);
  const extrasAt = HEADER + framesLength;
  const keyAt = extrasAt + packet.readUInt8(4);
  const valueAt = keyAt + keyLength;
  return {
    opcode: packet.readUInt8(1),
    frames: packet.subarray(HEADER, extrasAt),
    extras: packet.subarray(extrasAt, keyAt),
    key: packet.subarray(keyAt, valueAt),
    value: packet.subarray(valueAt),
    vbucket: packet.readUInt16BE(6),
    opaque: opaqueOf(packet),
    cas: packet.readBigUInt64BE(16),
  };
}

/** What a client recognises the answer to its request by. */
export function opaqueOf(packet: Buffer): number {
  return packet.readUInt32BE(12);
}

/** Whether a packet answers a request, and asks for nothing itself. */
export function isReply(packet: Buffer): boolean {
  return packet[0] === MAGIC.response || packet[0] === MAGIC.flexibleResponse;
}

export function replyTo(
  { opcode, opaque }: Pick<Request, 'opcode' | 'opaque'>,
  { status, extras = Buffer.alloc(0), value = Buffer.alloc(0), cas = 0n }: Reply,
): Buffer {
  const header = Buffer.alloc(HEADER);
  header[0] = MAGIC.response;
  header[1] = opcode;
  header[4] = extras.length;
  header.writeUInt16BE(status, 6);
  header.writeUInt32BE(extras.length + value.length, 8);
  header.writeUInt32BE(opaque, 12);
  header.writeBigUInt64BE(cas, 16);
  return Buffer.concat([header, extras, value]);
}

/** The levels of durability that the frames of a request ask for: frame 1, a byte of level and two of timeout that may be left out. */
export function durabilityOf(frames: Buffer): number {
  for (let at = 0; at < frames.length; ) {
    const byte = frames.readUInt8(at);
    const id = byte >> 4;
    const length = byte & 0x0f;
    if (id === 1) return frames.readUInt8(at + 1);
    at += 1 + length;
  }
  return 0;
}

/** A number at the beginning, seven bits in a byte, the lowest first; and where what follows begins. */
export function leb128(bytes: Buffer): readonly [value: number, end: number] {
  let value = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes.readUInt8(at);
    value += (byte & 0x7f) * 2 ** (7 * at);
    if (byte < 0x80) return [value, at + 1];
  }
  throw new Error('a number has no end');
}

export function asLeb128(value: number): Buffer {
  const bytes: number[] = [];
  let left = value;
  for (;;) {
    const low = left % 0x80;
    left = Math.floor(left / 0x80);
    bytes.push(left > 0 ? low + 0x80 : low);
    if (left === 0) return Buffer.from(bytes);
  }
}
