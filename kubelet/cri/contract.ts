/**
 * The runtime interface: what the kubelet asks of whatever runs containers.
 *
 * Three things implement it: runtime/containerd/, runtime/simulated/, and client.ts, which
 * speaks to either through server.ts; runtime.cases.ts runs on all. Calls are CRI v1's, so each
 * is idempotent as CRI demands: stopping or removing what is gone succeeds, so that a kubelet
 * killed at any moment may simply ask again.
 *
 * Every failure is a CriError (errors.ts). Nothing here knows HTTP, gRPC or framing.
 */
import type { Duplex, Readable, Writable } from "node:stream";
import type {
  AuthConfig,
  Base64,
  Container,
  ContainerConfig,
  ContainerEventResponse,
  ContainerFilter,
  ContainerStats,
  ContainerStatsFilter,
  ContainerStatus,
  FilesystemUsage,
  Image,
  ImageSpec,
  LabelFilter,
  LinuxContainerResources,
  Nanos,
  PodSandbox,
  PodSandboxConfig,
  PodSandboxFilter,
  PodSandboxStats,
  PodSandboxStatus,
  RuntimeCondition,
  RuntimeHandler,
} from "./messages.ts";

type Empty = Readonly<Record<string, never>>;
type Info = Readonly<Record<string, string>>;
type SandboxId = { readonly podSandboxId: string };
type ContainerId = { readonly containerId: string };

/** The calls with one request and one answer, by CRI's names: [request, answer]. */
export interface RuntimeCalls {
  Version: [
    Empty,
    {
      readonly version: string;
      readonly runtimeName: string;
      readonly runtimeVersion: string;
      readonly runtimeApiVersion: string;
    },
  ];
  Status: [
    { readonly verbose?: boolean },
    {
      readonly status: { readonly conditions: readonly RuntimeCondition[] };
      readonly info: Info;
      /** Some runtimes tell them only when asked with `verbose`. */
      readonly runtimeHandlers: readonly RuntimeHandler[];
      readonly features?: { readonly supplementalGroupsPolicy?: boolean };
    },
  ];
  UpdateRuntimeConfig: [{ readonly runtimeConfig: { readonly networkConfig: { readonly podCidr: string } } }, Empty];
  RuntimeConfig: [Empty, { readonly linux: { readonly cgroupDriver: "SYSTEMD" | "CGROUPFS" } }];

  RunPodSandbox: [{ readonly config: PodSandboxConfig; readonly runtimeHandler?: string }, SandboxId];
  StopPodSandbox: [SandboxId, Empty];
  RemovePodSandbox: [SandboxId, Empty];
  PodSandboxStatus: [
    SandboxId & { readonly verbose?: boolean },
    { readonly status: PodSandboxStatus; readonly info: Info },
  ];
  ListPodSandbox: [{ readonly filter?: PodSandboxFilter }, { readonly items: readonly PodSandbox[] }];

  CreateContainer: [
    SandboxId & { readonly config: ContainerConfig; readonly sandboxConfig: PodSandboxConfig },
    ContainerId,
  ];
  StartContainer: [ContainerId, Empty];
  /** `timeout` in seconds until SIGKILL; 0 kills at once. */
  StopContainer: [ContainerId & { readonly timeout: number }, Empty];
  RemoveContainer: [ContainerId, Empty];
  ListContainers: [{ readonly filter?: ContainerFilter }, { readonly containers: readonly Container[] }];
  ContainerStatus: [
    ContainerId & { readonly verbose?: boolean },
    { readonly status: ContainerStatus; readonly info: Info },
  ];
  UpdateContainerResources: [ContainerId & { readonly linux: LinuxContainerResources }, Empty];
  ReopenContainerLog: [ContainerId, Empty];
  /** `timeout` in seconds, 0 for none; DeadlineExceeded once it has passed. */
  ExecSync: [
    ContainerId & { readonly cmd: readonly string[]; readonly timeout?: number },
    { readonly stdout: Base64; readonly stderr: Base64; readonly exitCode: number },
  ];

  ContainerStats: [ContainerId, { readonly stats: ContainerStats }];
  ListContainerStats: [{ readonly filter?: ContainerStatsFilter }, { readonly stats: readonly ContainerStats[] }];
  PodSandboxStats: [SandboxId, { readonly stats: PodSandboxStats }];
  ListPodSandboxStats: [{ readonly filter?: LabelFilter }, { readonly stats: readonly PodSandboxStats[] }];
}

export interface ImageCalls {
  ListImages: [{ readonly filter?: { readonly image: ImageSpec } }, { readonly images: readonly Image[] }];
  /** `image` is absent when the runtime does not have it. */
  ImageStatus: [
    { readonly image: ImageSpec; readonly verbose?: boolean },
    { readonly image?: Image; readonly info: Info },
  ];
  /** NotFound, PermissionDenied, Unavailable … with the registry's message. */
  PullImage: [
    { readonly image: ImageSpec; readonly auth?: AuthConfig; readonly sandboxConfig?: PodSandboxConfig },
    { readonly imageRef: string },
  ];
  RemoveImage: [{ readonly image: ImageSpec }, Empty];
  ImageFsInfo: [
    Empty,
    {
      readonly imageFilesystems: readonly FilesystemUsage[];
      readonly containerFilesystems: readonly FilesystemUsage[];
    },
  ];
}

export type UnaryCalls = RuntimeCalls & ImageCalls;
export type CallName = keyof UnaryCalls;
export type Request<N extends CallName> = UnaryCalls[N][0];
export type Answer<N extends CallName> = UnaryCalls[N][1];

export interface CallOptions {
  /** Gives up with DeadlineExceeded; each call has a default (see calls.ts). */
  readonly timeoutMs?: number;
  /** Gives up with Canceled. */
  readonly signal?: AbortSignal;
}

type Methods<C> = {
  [N in keyof C & string as Uncapitalize<N>]: C[N] extends [infer Q, infer A]
    ? (request: Q, options?: CallOptions) => Promise<A>
    : never;
};

export interface TerminalSize {
  readonly width: number;
  readonly height: number;
}

/**
 * The caller's ends of an exec or attach. The runtime reads `stdin` to its end, ends `stdout`
 * and `stderr` itself before it resolves, and keeps to their back-pressure.
 */
export interface ProcessStreams {
  readonly stdin?: Readable;
  readonly stdout?: Writable;
  /** Never used with a terminal: a terminal has one output. */
  readonly stderr?: Writable;
  readonly resize?: AsyncIterable<TerminalSize>;
  /** Leaves: an exec'd process is killed, an attached one lives on. Rejects with Canceled. */
  readonly signal?: AbortSignal;
}

export interface ExecRequest {
  readonly containerId: string;
  readonly cmd: readonly string[];
  readonly tty?: boolean;
}

export interface AttachRequest {
  readonly containerId: string;
  /** Must be what the container was created with. */
  readonly tty?: boolean;
}

export interface PortForwardRequest {
  readonly podSandboxId: string;
  readonly port: number;
}

export interface RuntimeService extends Methods<RuntimeCalls> {
  /** Resolves when the process has ended, however it ended; rejects when it could not start. */
  exec(request: ExecRequest, streams: ProcessStreams): Promise<{ readonly exitCode: number }>;
  /** Resolves when the container has ended or `stdin` of a once-only stdin was closed by it. */
  attach(request: AttachRequest, streams: ProcessStreams): Promise<void>;
  /**
   * Connects `stream` to localhost:port inside the pod, one connection a call; half-close is kept.
   * Resolves when both directions have ended.
   */
  portForward(request: PortForwardRequest, stream: Duplex, signal?: AbortSignal): Promise<void>;
  /**
   * Container events from now on. Yields `undefined` once when the subscription stands (so that
   * the caller lists after it, and misses nothing), then each event. What the runtime itself may
   * have missed it finds by relisting every 10 s. Ends when `signal` aborts; throws Unavailable when cut.
   */
  getContainerEvents(signal: AbortSignal): AsyncIterable<ContainerEventResponse | undefined>;
}

export interface ImageService extends Methods<ImageCalls> {
  /** k8ts' own: takes a docker-save or OCI tar, answers the image names it brought. */
  importImage(tar: Readable, options?: CallOptions): Promise<{ readonly images: readonly string[] }>;
}

/** What stands behind the socket. */
export interface Runtime extends RuntimeService, ImageService {
  /** Frees connections and timers; containers live on. */
  close(): Promise<void>;
}

export type { Nanos };
