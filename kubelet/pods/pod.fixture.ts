/** Pods and runtime states for tests: only what differs from a plain one is said. */
import type { Container, Pod } from "../../machinery/objects/kinds.ts";
import { containerHash } from "./pod-spec.ts";
import type { ContainerRecord, RuntimePod, SandboxRecord } from "./runtime-state.ts";

export const NOW = Date.UTC(2026, 0, 1, 12);

type Spec = Partial<NonNullable<Pod["spec"]>>;

export const container = (name: string, extra: Partial<Container> = {}): Container =>
  ({ name, image: `${name}:1`, ...extra }) as Container;

export const sidecar = (name: string, extra: Partial<Container> = {}): Container =>
  container(name, { restartPolicy: "Always", ...extra });

export function aPod(spec: Spec = {}, metadata: Partial<Pod["metadata"]> = {}, status: Pod["status"] = {}): Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: "web",
      namespace: "default",
      uid: "uid-1",
      resourceVersion: "1",
      generation: 1,
      creationTimestamp: "2026-01-01T11:00:00Z",
      ...metadata,
    },
    spec: { restartPolicy: "Always", terminationGracePeriodSeconds: 30, containers: [container("main")], ...spec },
    status,
  };
}

export const sandbox = (extra: Partial<SandboxRecord> = {}): SandboxRecord => ({
  id: "sandbox-0",
  attempt: 0,
  ready: true,
  createdAt: NOW - 60_000,
  ips: ["10.42.0.2"],
  ...extra,
});

export const record = (name: string, extra: Partial<ContainerRecord> = {}): ContainerRecord => ({
  id: `${name}-${extra.attempt ?? 0}`,
  name,
  sandboxId: "sandbox-0",
  attempt: 0,
  state: "running",
  createdAt: NOW - 50_000,
  startedAt: NOW - 50_000,
  finishedAt: 0,
  exitCode: 0,
  reason: "",
  message: "",
  image: `docker.io/library/${name}:1`,
  imageRef: `docker.io/library/${name}@sha256:1`,
  hash: containerHash(container(name)),
  logPath: "",
  ...extra,
});

export const exited = (name: string, exitCode: number, extra: Partial<ContainerRecord> = {}): ContainerRecord =>
  record(name, {
    state: "exited",
    exitCode,
    reason: exitCode === 0 ? "Completed" : "Error",
    finishedAt: NOW - 5_000,
    ...extra,
  });

export const runtimeOf = (containers: readonly ContainerRecord[], sandboxes = [sandbox()]): RuntimePod => ({
  uid: "uid-1",
  name: "web",
  namespace: "default",
  sandboxes,
  containers,
});
