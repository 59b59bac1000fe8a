import { createHash } from 'node:crypto';

import { canonicalJson } from '../contracts/engine/canonical-json';

/** Bytes of a digest: enough to tell two requests of one history apart, and small beside a verdict. */
const digestBytes = 12;

/** A digest of a request for the history of a local call, which does not hold the request. 16 characters. */
export const requestDigest = (request: unknown): string =>
  createHash('sha256')
    .update(canonicalJson(request))
    .digest()
    .subarray(0, digestBytes)
    .toString('base64url');
