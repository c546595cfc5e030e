import { describe, expect, it } from "vitest";
import type { Pod, PodStatus } from "../../machinery/objects/kinds.ts";
import { aPod, container, exited, NOW, record, runtimeOf, sandbox, sidecar } from "./pod.fixture.ts";
import { podStatus, type StatusInput } from "./pod-status.ts";
import { noProbes, type ProbeResults } from "./probe-results.ts";

type Given = Partial<Omit<StatusInput, "probes" | "waiting">> & {
  readonly probes?: Readonly<Record<string, Partial<ProbeResults>>>;
  readonly waiting?: Readonly<Record<string, { reason: string; message: string }>>;
};

const status = ({ probes = {}, waiting = {}, ...given }: Given): PodStatus =>
  podStatus({
    pod: aPod(),
    runtime: runtimeOf([]),
    old: undefined,
    ending: undefined,
    stopped: false,
    hostIPs: ["192.0.2.10"],
    now: NOW,
    ...given,
    probes: (id) => ({ ...noProbes, ...probes[id] }),
    waiting: new Map(Object.entries(waiting)),
  });

const conditions = ({ conditions = [] }: PodStatus) =>
  Object.fromEntries(conditions.map(({ type, status: is, reason }) => [type, reason ? `${is} ${reason}` : is]));
const main = (found: PodStatus) => found.containerStatuses?.[0];
const never = { restartPolicy: "Never" };
const finished = { kind: "finished", since: NOW, graceSeconds: 30 } as const;
const nothing = runtimeOf([], []);
const dead = [sandbox({ ready: false })];

describe("phase and conditions", () => {
  const cases: readonly [string, Given, string, Record<string, string>][] = [
    [
      "a Pod without a sandbox",
      { runtime: nothing },
      "Pending",
      {
        PodReadyToStartContainers: "False",
        Initialized: "True",
        Ready: "False ContainersNotReady",
        ContainersReady: "False ContainersNotReady",
        PodScheduled: "True",
      },
    ],
    ["a sandbox alone", {}, "Pending", { PodReadyToStartContainers: "True", Ready: "False ContainersNotReady" }],
    ["what runs", { runtime: runtimeOf([record("main")]) }, "Running", { Ready: "True", ContainersReady: "True" }],
    [
      "what runs and is not ready",
      { runtime: runtimeOf([record("main")]), probes: { "main-0": { readiness: "failure" } } },
      "Running",
      { Ready: "False ContainersNotReady" },
    ],
    [
      "init containers at work",
      { pod: aPod({ initContainers: [container("first")] }), runtime: runtimeOf([record("first")]) },
      "Pending",
      { Initialized: "False ContainersNotInitialized" },
    ],
    [
      "init containers that are done",
      { pod: aPod({ initContainers: [container("first")] }), runtime: runtimeOf([exited("first", 0)]) },
      "Pending",
      { Initialized: "True" },
    ],
    [
      "a sidecar beside what runs",
      { pod: aPod({ initContainers: [sidecar("proxy")] }), runtime: runtimeOf([record("main"), record("proxy")]) },
      "Running",
      { Initialized: "True", Ready: "True" },
    ],
    [
      "a crash with restarts to come",
      { runtime: runtimeOf([exited("main", 1)]) },
      "Running",
      { Ready: "False ContainersNotReady" },
    ],
    [
      "a success that is still stopping",
      { pod: aPod(never), old: { phase: "Running" }, runtime: runtimeOf([exited("main", 0)]), ending: finished },
      "Running",
      { Ready: "False ContainersNotReady" },
    ],
    [
      "a success",
      { pod: aPod(never), runtime: runtimeOf([exited("main", 0)], dead), ending: finished, stopped: true },
      "Succeeded",
      {
        PodReadyToStartContainers: "False",
        Initialized: "True PodCompleted",
        Ready: "False PodCompleted",
        ContainersReady: "False PodCompleted",
      },
    ],
    [
      "a failure",
      { pod: aPod(never), runtime: runtimeOf([exited("main", 1)], dead), ending: finished, stopped: true },
      "Failed",
      { Ready: "False PodFailed", ContainersReady: "False PodFailed" },
    ],
    [
      "a deleted Pod that never ran",
      { runtime: nothing, ending: { ...finished, kind: "deleted" }, stopped: true },
      "Failed",
      { Ready: "False PodFailed" },
    ],
    [
      "a Pod that had failed already",
      { old: { phase: "Failed", reason: "Evicted" }, runtime: runtimeOf([record("main")]) },
      "Failed",
      { Ready: "False PodFailed" },
    ],
  ];
  it.each(cases)("%s", (_name, given, phase, wanted) => {
    const found = status(given);
    expect(found.phase).toBe(phase);
    expect(conditions(found)).toMatchObject(wanted);
  });

  it("are worded as Kubernetes words them", () => {
    const found = status({ pod: aPod({ containers: [container("b"), container("a")] }) });
    expect(found.conditions?.find(({ type }) => type === "Ready")?.message).toBe(
      "containers with unready status: [b a]",
    );
    expect(found.containerStatuses?.map(({ name }) => name)).toEqual(["a", "b"]);
  });

  it("move their time only with their status", () => {
    const first = status({ runtime: runtimeOf([record("main")]) });
    const later = status({ runtime: runtimeOf([record("main")]), old: first, now: NOW + 60_000 });
    expect(later).toEqual(first);
    const broken = status({ runtime: runtimeOf([exited("main", 1)]), old: first, now: NOW + 60_000 });
    const since = (found: PodStatus, type: string) =>
      found.conditions?.find((one) => one.type === type)?.lastTransitionTime;
    expect(since(broken, "Ready")).toBe("2026-01-01T12:01:00Z");
    expect(since(broken, "PodScheduled")).toBe("2026-01-01T12:00:00Z");
    expect(broken.startTime).toBe(first.startTime);
  });

  it("wait for readiness gates, and keep conditions of others", () => {
    const gated = (value: string): Pod =>
      aPod({ readinessGates: [{ conditionType: "lb" }] }, {}, { conditions: [{ type: "lb", status: value }] });
    const runtime = runtimeOf([record("main")]);
    expect(conditions(status({ pod: gated("False"), runtime }))).toMatchObject({
      lb: "False",
      Ready: "False ReadinessGatesNotReady",
      ContainersReady: "True",
    });
    expect(conditions(status({ pod: gated("True"), runtime }))).toMatchObject({ Ready: "True" });
  });

  it("tell nothing of the containers of a Pod that was refused", () => {
    const refused = { kind: "failed", refused: true, reason: "OutOfcpu", since: NOW, graceSeconds: 0 } as const;
    const found = status({ ending: refused, runtime: nothing, stopped: true });
    expect([found.phase, found.reason, found.containerStatuses]).toEqual(["Failed", "OutOfcpu", undefined]);
  });

  it("say what a deadline did", () => {
    const failed = {
      kind: "failed",
      reason: "DeadlineExceeded",
      message: "too long",
      since: NOW,
      graceSeconds: 30,
    } as const;
    const stopping = status({ ending: failed, old: { phase: "Running" }, runtime: runtimeOf([record("main")]) });
    expect([stopping.phase, stopping.reason]).toEqual(["Running", undefined]);
    const condition = { type: "DisruptionTarget", reason: "TerminationByKubelet", message: "low" };
    const dead = runtimeOf([exited("main", 137)], [{ ...sandbox(), ready: false }]);
    const stopped = status({ ending: { ...failed, condition }, stopped: true, runtime: dead });
    expect(stopped).toMatchObject({ phase: "Failed", reason: "DeadlineExceeded", message: "too long" });
    expect(conditions(stopped)).toMatchObject({ DisruptionTarget: "True TerminationByKubelet" });
  });
});

describe("container statuses", () => {
  it("of a new Pod wait in ContainerCreating, behind init containers in PodInitializing", () => {
    expect(main(status({ runtime: nothing }))).toMatchObject({
      state: { waiting: { reason: "ContainerCreating" } },
      ready: false,
      started: false,
      restartCount: 0,
      imageID: "",
    });
    const found = status({ pod: aPod({ initContainers: [container("first")] }) });
    expect(main(found)?.state?.waiting?.reason).toBe("PodInitializing");
    expect(found.initContainerStatuses?.[0]?.state?.waiting?.reason).toBe("PodInitializing");
  });

  it("of what runs name container and image", () => {
    expect(main(status({ runtime: runtimeOf([record("main")]) }))).toMatchObject({
      containerID: "containerd://main-0",
      imageID: "docker.io/library/main@sha256:1",
      state: { running: { startedAt: "2026-01-01T11:59:10Z" } },
      ready: true,
      started: true,
    });
  });

  it("show the run before this one", () => {
    const found = main(
      status({ runtime: runtimeOf([record("main", { attempt: 1 }), exited("main", 137, { reason: "OOMKilled" })]) }),
    );
    expect(found).toMatchObject({ restartCount: 1, lastState: { terminated: { exitCode: 137, reason: "OOMKilled" } } });
  });

  it("keep the run before this one where the runtime has lost it", () => {
    const first = status({ runtime: runtimeOf([exited("main", 3)]) });
    const second = status({ runtime: runtimeOf([record("main", { attempt: 1 })]), old: first });
    const third = status({ runtime: runtimeOf([record("main", { attempt: 1 })]), old: second });
    expect(main(third)?.lastState?.terminated?.exitCode).toBe(3);
  });

  it("say why it waits, and how it ended before", () => {
    const waiting = { main: { reason: "CrashLoopBackOff", message: "back-off" } };
    expect(main(status({ runtime: runtimeOf([exited("main", 1)]), waiting }))).toMatchObject({
      state: { waiting: { reason: "CrashLoopBackOff", message: "back-off" } },
      lastState: { terminated: { exitCode: 1 } },
    });
  });

  it("do not wait when it runs or will not run again", () => {
    const waiting = { main: { reason: "ErrImagePull", message: "no" } };
    expect(main(status({ runtime: runtimeOf([record("main")]), waiting }))?.state?.running).toBeDefined();
    expect(
      main(status({ pod: aPod(never), runtime: runtimeOf([exited("main", 1)]), waiting }))?.state?.terminated,
    ).toBeDefined();
  });

  it("of an init container that succeeded are ready, not started", () => {
    const found = status({
      pod: aPod({ initContainers: [container("first")] }),
      runtime: runtimeOf([exited("first", 0)]),
    });
    expect(found.initContainerStatuses?.[0]).toMatchObject({ ready: true, started: false });
  });

  it("count what was lost as a failure", () => {
    const first = status({ runtime: runtimeOf([record("main")]) });
    const lost = main(status({ runtime: nothing, old: first }));
    expect(lost).toMatchObject({
      restartCount: 1,
      lastState: { terminated: { exitCode: 137, reason: "ContainerStatusUnknown" } },
    });
    const over = main(status({ runtime: nothing, old: first, ending: finished, stopped: true }));
    expect(over?.state?.terminated).toMatchObject({ exitCode: 137, reason: "ContainerStatusUnknown" });
  });

  it("wait for a startup probe before they count as started", () => {
    const runtime = runtimeOf([record("main")]);
    expect(main(status({ runtime, probes: { "main-0": { startup: "unknown" } } }))).toMatchObject({
      started: false,
      ready: false,
    });
    expect(main(status({ runtime, probes: { "main-0": { startup: "success", readiness: "failure" } } }))).toMatchObject(
      { started: true, ready: false },
    );
  });
});

describe("addresses and quality of service", () => {
  it("come from the sandbox, or from the node on its network", () => {
    expect(status({})).toMatchObject({ podIP: "10.42.0.2", podIPs: [{ ip: "10.42.0.2" }], hostIP: "192.0.2.10" });
    expect(status({ pod: aPod({ hostNetwork: true }) })).toMatchObject({ podIP: "192.0.2.10" });
    expect(status({ runtime: nothing }).podIP).toBeUndefined();
  });

  const qos: readonly [string, object[], string][] = [
    ["nothing asked", [{}], "BestEffort"],
    ["a request", [{ requests: { cpu: "100m" } }], "Burstable"],
    [
      "equal limits and requests",
      [{ requests: { cpu: "1", memory: "1Gi" }, limits: { cpu: "1000m", memory: "1024Mi" } }],
      "Guaranteed",
    ],
    ["limits of memory alone", [{ limits: { memory: "1Gi" } }], "Burstable"],
    [
      "one container without",
      [{ requests: { cpu: "1", memory: "1Gi" }, limits: { cpu: "1", memory: "1Gi" } }, {}],
      "Burstable",
    ],
  ];
  it.each(qos)("%s", (_name, resources, wanted) => {
    const containers = resources.map((one, index) => container(`c${index}`, { resources: one }));
    expect(status({ pod: aPod({ containers }) }).qosClass).toBe(wanted);
  });
});

it("tells as whom a container runs, where the runtime tells", () => {
  const user = { uid: 5, gid: 6, supplementalGroups: [6, 7] };
  expect(main(status({ runtime: runtimeOf([record("main", { user })]) }))?.user).toEqual({ linux: user });
});

it("tells of the resources that a run has, and of those granted to it", () => {
  const sized = (cpu: string) => aPod({ containers: [container("main", { resources: { requests: { cpu } } })] });
  const given = { pod: sized("3"), granted: sized("2"), sizeOf: () => ({ requests: { cpu: "1" } }) };
  const running = main(status({ ...given, runtime: runtimeOf([record("main")]) }));
  expect([running?.resources, running?.allocatedResources]).toEqual([{ requests: { cpu: "1" } }, { cpu: "2" }]);
  const waiting = main(status({ ...given, runtime: runtimeOf([]) }));
  expect([waiting?.resources, waiting?.allocatedResources]).toEqual([{ requests: { cpu: "2" } }, { cpu: "2" }]);
});
