/**
 * Messages: what goes over the runtime interface, named as in CRI v1's JSON.
 *
 * Presence: what a runtime answers is complete (scalars, lists and maps always there);
 * in a request everything but the marked keys may be left out. Three deliberate readings:
 *  - times (`createdAt`, `startedAt`, `finishedAt`, `timestamp`) are nanoseconds since 1970 as a
 *    decimal string, "0" when unset: they do not fit a number; use `nanosToMs`;
 *  - every other 64-bit integer is a number;
 *  - `bytes` are base64 strings, except environment values, which are text.
 * The wire numbers lie in cri-v1.json; only runtime/containerd/ needs them.
 */

/** Nanoseconds since 1970 as decimal digits, "0" when unset. */
export type Nanos = string;
export type Base64 = string;
export type Strings = Readonly<Record<string, string>>;

/** Milliseconds since 1970; undefined when unset. */
export function nanosToMs(nanos: Nanos): number | undefined {
  return nanos === "0" || nanos === "" ? undefined : Number(BigInt(nanos) / 1000n) / 1000;
}

export function msToNanos(ms: number): Nanos {
  return String(BigInt(Math.round(ms * 1000)) * 1000n);
}

// Shared by requests and answers

export type Protocol = "TCP" | "UDP" | "SCTP";
export type MountPropagation = "PROPAGATION_PRIVATE" | "PROPAGATION_HOST_TO_CONTAINER" | "PROPAGATION_BIDIRECTIONAL";
export type NamespaceMode = "POD" | "CONTAINER" | "NODE" | "TARGET";
export type PodSandboxState = "SANDBOX_READY" | "SANDBOX_NOTREADY";
export type ContainerState = "CONTAINER_CREATED" | "CONTAINER_RUNNING" | "CONTAINER_EXITED" | "CONTAINER_UNKNOWN";

export interface Value {
  readonly value: number;
}

export interface PodSandboxMetadata {
  readonly name: string;
  readonly uid: string;
  readonly namespace: string;
  readonly attempt: number;
}

export interface ContainerMetadata {
  readonly name: string;
  readonly attempt: number;
}

export interface ImageSpec {
  readonly image: string;
  readonly annotations?: Strings;
  readonly userSpecifiedImage?: string;
  readonly runtimeHandler?: string;
}

export interface DNSConfig {
  readonly servers?: readonly string[];
  readonly searches?: readonly string[];
  readonly options?: readonly string[];
}

export interface PortMapping {
  readonly protocol?: Protocol;
  readonly containerPort: number;
  readonly hostPort?: number;
  readonly hostIp?: string;
}

export interface IDMapping {
  readonly hostId: number;
  readonly containerId: number;
  readonly length: number;
}

export interface Mount {
  readonly containerPath: string;
  readonly hostPath: string;
  readonly readonly?: boolean;
  readonly selinuxRelabel?: boolean;
  readonly propagation?: MountPropagation;
  readonly uidMappings?: readonly IDMapping[];
  readonly gidMappings?: readonly IDMapping[];
  readonly recursiveReadOnly?: boolean;
  readonly image?: ImageSpec;
  readonly imageSubPath?: string;
}

export interface UserNamespace {
  readonly mode?: NamespaceMode;
  readonly uids?: readonly IDMapping[];
  readonly gids?: readonly IDMapping[];
}

export interface NamespaceOption {
  readonly network?: NamespaceMode;
  readonly pid?: NamespaceMode;
  readonly ipc?: NamespaceMode;
  readonly targetId?: string;
  readonly usernsOptions?: UserNamespace;
}

export interface SELinuxOption {
  readonly user?: string;
  readonly role?: string;
  readonly type?: string;
  readonly level?: string;
}

export interface SecurityProfile {
  readonly profileType: "RuntimeDefault" | "Unconfined" | "Localhost";
  readonly localhostRef?: string;
}

export interface LinuxContainerResources {
  readonly cpuPeriod?: number;
  readonly cpuQuota?: number;
  readonly cpuShares?: number;
  readonly memoryLimitInBytes?: number;
  readonly oomScoreAdj?: number;
  readonly cpusetCpus?: string;
  readonly cpusetMems?: string;
  readonly hugepageLimits?: readonly { readonly pageSize: string; readonly limit: number }[];
  /** cgroup v2 files: "memory.high": "1000000". */
  readonly unified?: Strings;
  readonly memorySwapLimitInBytes?: number;
}

// Requests: pods

export interface LinuxSandboxSecurityContext {
  readonly namespaceOptions?: NamespaceOption;
  readonly selinuxOptions?: SELinuxOption;
  readonly runAsUser?: Value;
  readonly runAsGroup?: Value;
  readonly readonlyRootfs?: boolean;
  readonly supplementalGroups?: readonly number[];
  readonly supplementalGroupsPolicy?: "Merge" | "Strict";
  readonly privileged?: boolean;
  readonly seccomp?: SecurityProfile;
  readonly apparmor?: SecurityProfile;
}

export interface LinuxPodSandboxConfig {
  readonly cgroupParent?: string;
  readonly securityContext?: LinuxSandboxSecurityContext;
  readonly sysctls?: Strings;
  readonly overhead?: LinuxContainerResources;
  readonly resources?: LinuxContainerResources;
}

export interface PodSandboxConfig {
  readonly metadata: PodSandboxMetadata;
  readonly hostname?: string;
  /** Directory of the pod's container logs; a container's `logPath` is relative to it. */
  readonly logDirectory?: string;
  readonly dnsConfig?: DNSConfig;
  readonly portMappings?: readonly PortMapping[];
  readonly labels?: Strings;
  readonly annotations?: Strings;
  readonly linux?: LinuxPodSandboxConfig;
}

export interface LabelFilter {
  readonly id?: string;
  readonly labelSelector?: Strings;
}

export interface PodSandboxFilter extends LabelFilter {
  readonly state?: { readonly state: PodSandboxState };
}

// Requests: containers

export interface LinuxContainerSecurityContext {
  readonly capabilities?: {
    readonly addCapabilities?: readonly string[];
    readonly dropCapabilities?: readonly string[];
    readonly addAmbientCapabilities?: readonly string[];
  };
  readonly privileged?: boolean;
  readonly namespaceOptions?: NamespaceOption;
  readonly selinuxOptions?: SELinuxOption;
  readonly runAsUser?: Value;
  readonly runAsGroup?: Value;
  readonly runAsUsername?: string;
  readonly readonlyRootfs?: boolean;
  readonly supplementalGroups?: readonly number[];
  readonly supplementalGroupsPolicy?: "Merge" | "Strict";
  readonly noNewPrivs?: boolean;
  readonly maskedPaths?: readonly string[];
  readonly readonlyPaths?: readonly string[];
  readonly seccomp?: SecurityProfile;
  readonly apparmor?: SecurityProfile;
}

export interface ContainerConfig {
  readonly metadata: ContainerMetadata;
  readonly image: ImageSpec;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly workingDir?: string;
  readonly envs?: readonly { readonly key: string; readonly value: string }[];
  readonly mounts?: readonly Mount[];
  readonly devices?: readonly {
    readonly containerPath: string;
    readonly hostPath: string;
    readonly permissions: string;
  }[];
  readonly labels?: Strings;
  readonly annotations?: Strings;
  readonly logPath?: string;
  readonly stdin?: boolean;
  readonly stdinOnce?: boolean;
  readonly tty?: boolean;
  readonly linux?: {
    readonly resources?: LinuxContainerResources;
    readonly securityContext?: LinuxContainerSecurityContext;
  };
  /** "SIGTERM" …; a runtime that cannot set it answers Unimplemented. */
  readonly stopSignal?: string;
}

export interface ContainerFilter extends LabelFilter {
  readonly state?: { readonly state: ContainerState };
  readonly podSandboxId?: string;
}

export interface ContainerStatsFilter extends LabelFilter {
  readonly podSandboxId?: string;
}

export interface AuthConfig {
  readonly username?: string;
  readonly password?: string;
  readonly auth?: string;
  readonly serverAddress?: string;
  readonly identityToken?: string;
  readonly registryToken?: string;
}

// Answers

export interface PodSandbox {
  readonly id: string;
  readonly metadata: PodSandboxMetadata;
  readonly state: PodSandboxState;
  readonly createdAt: Nanos;
  readonly labels: Strings;
  readonly annotations: Strings;
  readonly runtimeHandler: string;
}

export interface PodSandboxStatus extends PodSandbox {
  /** `ip` is "" for a pod on the host's network and once the sandbox is stopped. */
  readonly network?: { readonly ip: string; readonly additionalIps: readonly { readonly ip: string }[] };
  readonly linux?: { readonly namespaces?: { readonly options?: NamespaceOption } };
}

export interface Container {
  readonly id: string;
  readonly podSandboxId: string;
  readonly metadata: ContainerMetadata;
  readonly image: ImageSpec;
  readonly imageRef: string;
  readonly imageId: string;
  readonly state: ContainerState;
  readonly createdAt: Nanos;
  readonly labels: Strings;
  readonly annotations: Strings;
}

export interface ContainerStatus {
  readonly id: string;
  readonly metadata: ContainerMetadata;
  readonly state: ContainerState;
  readonly createdAt: Nanos;
  readonly startedAt: Nanos;
  readonly finishedAt: Nanos;
  readonly exitCode: number;
  readonly image: ImageSpec;
  readonly imageRef: string;
  readonly imageId: string;
  /** "Completed", "Error", "OOMKilled", "ContainerCannotRun" … when it exited. */
  readonly reason: string;
  readonly message: string;
  readonly labels: Strings;
  readonly annotations: Strings;
  readonly mounts: readonly Mount[];
  /** Absolute. */
  readonly logPath: string;
  readonly resources?: { readonly linux?: LinuxContainerResources };
  readonly user?: {
    readonly linux?: {
      readonly uid: number;
      readonly gid: number;
      readonly supplementalGroups: readonly number[];
    };
  };
}

export type ContainerEventType =
  | "CONTAINER_CREATED_EVENT"
  | "CONTAINER_STARTED_EVENT"
  | "CONTAINER_STOPPED_EVENT"
  | "CONTAINER_DELETED_EVENT";

/** `containerId` is the sandbox's id when the event is about the sandbox itself. */
export interface ContainerEventResponse {
  readonly containerId: string;
  readonly containerEventType: ContainerEventType;
  readonly createdAt: Nanos;
  /** Present whenever the runtime still knows the pod; tells whose event it is. */
  readonly podSandboxStatus?: PodSandboxStatus;
  /** May be empty: an event is a hint to read again, not the state. */
  readonly containersStatuses: readonly ContainerStatus[];
}

export interface Image {
  /** "sha256:…" of the image's configuration. */
  readonly id: string;
  readonly repoTags: readonly string[];
  readonly repoDigests: readonly string[];
  readonly size: number;
  readonly uid?: Value;
  readonly username: string;
  readonly spec?: ImageSpec;
  readonly pinned: boolean;
}

/** What a RuntimeClass can name; "" is the one that runs when none is named. */
export interface RuntimeHandler {
  readonly name: string;
  readonly features?: { readonly recursiveReadOnlyMounts?: boolean; readonly userNamespaces?: boolean };
}

export interface RuntimeCondition {
  /** "RuntimeReady" or "NetworkReady". */
  readonly type: string;
  readonly status: boolean;
  readonly reason: string;
  readonly message: string;
}

export type * from "./stats-messages.ts";
