/**
 * The table of calls: how long each may take, and whether asking twice is safe.
 *
 * `retry` says that a request whose connection failed may be sent again by itself; the
 * others are left to the kubelet, which looks first. Exec, attach, port-forward, events
 * and import are streams: see server.ts.
 */
import type { CallName } from "./contract.ts";

export interface Call {
  readonly timeoutMs: number;
  readonly retry: boolean;
}

const SHORT = 10_000;
const USUAL = 120_000;

const read: Call = { timeoutMs: SHORT, retry: true };
const list: Call = { timeoutMs: USUAL, retry: true };
const write: Call = { timeoutMs: USUAL, retry: false };
const unbounded: Call = { timeoutMs: 2 ** 31 - 1, retry: false };

export const calls: Readonly<Record<CallName, Call>> = {
  Version: read,
  Status: read,
  RuntimeConfig: read,
  UpdateRuntimeConfig: read,
  /** CNI plugins may wait for addresses. */
  RunPodSandbox: { timeoutMs: 240_000, retry: false },
  StopPodSandbox: { timeoutMs: USUAL, retry: true },
  RemovePodSandbox: { timeoutMs: USUAL, retry: true },
  PodSandboxStatus: read,
  ListPodSandbox: list,
  CreateContainer: write,
  StartContainer: write,
  /** The caller's grace period comes on top: see client.ts. */
  StopContainer: { timeoutMs: USUAL, retry: true },
  RemoveContainer: { timeoutMs: USUAL, retry: true },
  ListContainers: list,
  ContainerStatus: read,
  UpdateContainerResources: { timeoutMs: SHORT, retry: true },
  ReopenContainerLog: { timeoutMs: SHORT, retry: true },
  /** The request's own timeout rules. */
  ExecSync: unbounded,
  ContainerStats: read,
  ListContainerStats: list,
  PodSandboxStats: read,
  ListPodSandboxStats: list,
  ListImages: list,
  ImageStatus: read,
  /** A pull lasts as long as it makes progress. */
  PullImage: unbounded,
  RemoveImage: { timeoutMs: USUAL, retry: true },
  ImageFsInfo: read,
};

export const callNames = Object.keys(calls) as CallName[];

/** "RunPodSandbox" ► "runPodSandbox": the call's name as a method. */
export function methodOf<N extends CallName>(name: N): Uncapitalize<N> {
  return `${name.charAt(0).toLowerCase()}${name.slice(1)}` as Uncapitalize<N>;
}
