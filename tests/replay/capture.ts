import { msOptionalToNumber } from '@temporalio/common/lib/time';
import type { Sinks, WorkflowInterceptors } from '@temporalio/workflow';
import { proxySinks } from '@temporalio/workflow';

interface CaptureSinks extends Sinks {
  capture: { seen(kind: string, detail: string): void };
}

/** Tells what workflow code asks for: replay itself compares neither inputs nor time limits nor the result. */
export function interceptors(): WorkflowInterceptors {
  const { capture } = proxySinks<CaptureSinks>();
  return {
    inbound: [
      {
        async execute(input, next) {
          const result = await next(input);
          capture.seen('result', JSON.stringify(result));
          return result;
        },
      },
    ],
    outbound: [
      {
        scheduleActivity(input, next) {
          const scheduleToCloseMs = msOptionalToNumber(input.options.scheduleToCloseTimeout);
          const startToCloseMs = msOptionalToNumber(input.options.startToCloseTimeout) ?? 0;
          const detail = {
            type: input.activityType,
            args: input.args,
            scheduleToCloseMs,
            // The server shortens one attempt to the time for all of them before it writes the event.
            startToCloseMs: Math.min(startToCloseMs, scheduleToCloseMs ?? Infinity),
          };
          capture.seen('activity', JSON.stringify(detail));
          return next(input);
        },
        startTimer(input, next) {
          capture.seen('timer', String(input.durationMs));
          return next(input);
        },
      },
    ],
  };
}
