/** Bounds on what one request may bring; a problem that refuses one names it. */
export const bodyBytesMax = 65_536;
/** Characters of one part of a path. */
export const paramLengthMax = 128;
export const headerBytesMax = 16_384;
