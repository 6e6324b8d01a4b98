declare module 'cluster-key-slot' {
  /** The slot of a key, 0 to 16,383: CRC16 of the part in braces, or of all of it. */
  export default function slotOf(key: string): number;
}
