/**
 * The act fails for good in a way that is not known, so the decision is sealed before the undo. The local attempt fails
 * first: a failure that Temporal has not written down would be lost with the worker.
 */
export const plantedFaults = (act: string, reference: string): readonly string[] => [
  `${act}:before:throw-retryable:of=${reference}`,
  `${act}:before:throw-fatal:of=${reference}`,
];
