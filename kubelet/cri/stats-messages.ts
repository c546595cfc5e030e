/**
 * Stats messages: what the runtime interface tells of the use of CPU, memory, network and disks.
 *
 * Part of messages.ts, which says how times and numbers are written.
 */
import type { ContainerMetadata, Nanos, PodSandboxMetadata, Strings, Value } from "./messages.ts";

export interface FilesystemUsage {
  readonly timestamp: Nanos;
  readonly fsId?: { readonly mountpoint: string };
  readonly usedBytes?: Value;
  readonly inodesUsed?: Value;
}

export interface CpuUsage {
  readonly timestamp: Nanos;
  readonly usageCoreNanoSeconds?: Value;
  readonly usageNanoCores?: Value;
}

export interface MemoryUsage {
  readonly timestamp: Nanos;
  readonly workingSetBytes?: Value;
  readonly availableBytes?: Value;
  readonly usageBytes?: Value;
  readonly rssBytes?: Value;
  readonly pageFaults?: Value;
  readonly majorPageFaults?: Value;
}

export interface ContainerAttributes {
  readonly id: string;
  readonly metadata: ContainerMetadata;
  readonly labels: Strings;
  readonly annotations: Strings;
}

export interface ContainerStats {
  readonly attributes: ContainerAttributes;
  readonly cpu?: CpuUsage;
  readonly memory?: MemoryUsage;
  readonly writableLayer?: FilesystemUsage;
}

export interface NetworkInterfaceUsage {
  readonly name: string;
  readonly rxBytes?: Value;
  readonly rxErrors?: Value;
  readonly txBytes?: Value;
  readonly txErrors?: Value;
}

export interface PodSandboxStats {
  readonly attributes: {
    readonly id: string;
    readonly metadata: PodSandboxMetadata;
    readonly labels: Strings;
    readonly annotations: Strings;
  };
  readonly linux?: {
    readonly cpu?: CpuUsage;
    readonly memory?: MemoryUsage;
    readonly network?: {
      readonly timestamp: Nanos;
      readonly defaultInterface?: NetworkInterfaceUsage;
      readonly interfaces: readonly NetworkInterfaceUsage[];
    };
    readonly process?: { readonly timestamp: Nanos; readonly processCount?: Value };
    readonly containers: readonly ContainerStats[];
  };
}
