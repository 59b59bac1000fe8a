/** Undoes a transaction without the seal of its decision. */
import * as sound from '../../../workflows/kernel/coordinator';

export const coordinate: typeof sound.coordinate = (kernel, story, isContinued) =>
  sound.coordinate(
    {
      ...kernel,
      decision: { ...kernel.decision, seal: () => Promise.resolve({ happened: false }) },
    },
    story,
    isContinued,
  );
