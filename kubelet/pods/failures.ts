/**
 * Failures that keep a container or sandbox from starting: a reason for the status, and when to try again.
 *
 * Reasons are Kubernetes' own. Anything else that goes wrong while starting is turned into one here.
 */

/** Reason ► how long to leave it alone, unless the failure says otherwise. */
export const failureReasons = {
  ErrImagePull: 5_000,
  ImagePullBackOff: 10_000,
  ErrImageNeverPull: 60_000,
  InvalidImageName: 60_000,
  ImageInspectError: 10_000,
  CreateContainerConfigError: 10_000,
  CreateContainerError: 10_000,
  RunContainerError: 0,
  PostStartHookError: 0,
  NetworkNotReady: 1_000,
  FailedCreatePodSandBox: 10_000,
  FailedKillPod: 5_000,
  ResizeError: 10_000,
} as const;

export type FailureReason = keyof typeof failureReasons;

export class StartFailure extends Error {
  override readonly name = "StartFailure";
  readonly reason: FailureReason;
  readonly retryMs: number;
  constructor(
    reason: FailureReason,
    message: string,
    options: { readonly retryMs?: number; readonly cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.reason = reason;
    this.retryMs = options.retryMs ?? failureReasons[reason];
  }
}

/** Runs one step of a start; what it throws becomes a failure with this reason. */
export async function step<T>(reason: FailureReason, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof StartFailure) throw error;
    throw new StartFailure(reason, error instanceof Error ? error.message : String(error), { cause: error });
  }
}
