import { describe, expect, it } from "vitest";
import { type Backoff, backedOffUntil, goDuration, nextBackoff } from "./backoff.ts";
import { type Case, outcome, planned, words } from "./plan.fixture.ts";
import { SANDBOX } from "./plan-draft.ts";
import { aPod, container, exited, NOW, record, runtimeOf, sandbox, sidecar } from "./pod.fixture.ts";

const two = { containers: [container("main"), container("side")] };
const inits = { initContainers: [container("first"), container("second")] };
const sides = { initContainers: [sidecar("proxy"), container("setup")] };
const never = { restartPolicy: "Never" };
const onFailure = { restartPolicy: "OnFailure" };
const dead = [sandbox({ ready: false })];
const cases: readonly Case[] = [
  // sandbox
  { name: "a new Pod gets a sandbox", given: { runtime: runtimeOf([], []) }, actions: ["create-sandbox #0"] },
  {
    name: "not a second one while the first is made",
    given: { runtime: runtimeOf([], []), busy: [SANDBOX] },
    actions: [],
  },
  {
    name: "not before a failed one may be tried again",
    given: { runtime: runtimeOf([], []), retryAt: { [SANDBOX]: NOW + 1 } },
    actions: [],
  },
  {
    name: "a dead sandbox is replaced by the next attempt",
    given: { runtime: runtimeOf([exited("main", 137)], dead) },
    actions: ["create-sandbox #1"],
  },
  {
    name: "what still runs in a dead sandbox is killed first",
    given: { runtime: runtimeOf([record("main")], dead) },
    actions: ["kill main (sandbox 0s)"],
  },
  {
    name: "a sandbox without an address is none",
    given: { runtime: runtimeOf([], [sandbox({ ips: [] })]) },
    actions: ["stop-sandbox sandbox-0"],
  },
  {
    name: "on the host's network it needs no address",
    given: { pod: aPod({ hostNetwork: true }), runtime: runtimeOf([], [sandbox({ ips: [] })]) },
    actions: ["start main #0"],
  },
  {
    name: "of two ready sandboxes both go",
    given: { runtime: runtimeOf([], [sandbox({ id: "b", attempt: 1 }), sandbox({ id: "a" })]) },
    actions: ["stop-sandbox b", "stop-sandbox a"],
  },
  {
    name: "with policy Never a dead sandbox ends the Pod",
    given: { pod: aPod(never), runtime: runtimeOf([exited("main", 1)], dead) },
    actions: [],
    finished: true,
  },
  {
    name: "with policy OnFailure what succeeded needs no new sandbox",
    given: { pod: aPod(onFailure), runtime: runtimeOf([exited("main", 0)], dead) },
    actions: [],
    finished: true,
  },
  {
    name: "with policy OnFailure what failed gets one",
    given: { pod: aPod(onFailure), runtime: runtimeOf([exited("main", 1)], dead) },
    actions: ["create-sandbox #1"],
  },

  // regular containers
  { name: "all containers start together", given: { pod: aPod(two) }, actions: ["start main #0", "start side #0"] },
  {
    name: "what runs is left alone",
    given: { pod: aPod(two), runtime: runtimeOf([record("main"), record("side")]) },
    actions: [],
  },
  {
    name: "what is under way is not begun again",
    given: { pod: aPod(two), busy: ["main"] },
    actions: ["start side #0"],
  },
  {
    name: "a container that was created but not started is started as it is",
    given: { runtime: runtimeOf([record("main", { state: "created", attempt: 2 })]) },
    actions: ["start main #2 as it was created"],
  },
  {
    name: "one created in an older sandbox is made anew",
    given: { runtime: runtimeOf([record("main", { state: "created", sandboxId: "old", attempt: 2 })]) },
    actions: ["start main #3"],
  },
  {
    name: "a container that ended runs again",
    given: { runtime: runtimeOf([exited("main", 0)]) },
    actions: ["start main #1"],
  },
  {
    name: "restarts are counted by the runtime's records",
    given: { runtime: runtimeOf([exited("main", 1, { attempt: 7 })]) },
    actions: ["start main #8"],
  },
  {
    name: "or by the status, where the runtime has forgotten",
    given: {
      pod: aPod(
        {},
        {},
        {
          containerStatuses: [
            { name: "main", image: "", imageID: "", ready: false, restartCount: 4, containerID: "containerd://gone" },
          ],
        },
      ),
    },
    actions: ["start main #5"],
  },
  {
    name: "with policy Never it does not",
    given: { pod: aPod(never), runtime: runtimeOf([exited("main", 1)]) },
    actions: [],
    finished: true,
  },
  {
    name: "nor with OnFailure when it succeeded",
    given: { pod: aPod(onFailure), runtime: runtimeOf([exited("main", 0)]) },
    actions: [],
    finished: true,
  },
  {
    name: "but with OnFailure when it failed",
    given: { pod: aPod(onFailure), runtime: runtimeOf([exited("main", 2)]) },
    actions: ["start main #1"],
  },
  {
    name: "a Pod is not finished while one container runs",
    given: { pod: aPod({ ...never, ...two }), runtime: runtimeOf([exited("main", 0), record("side")]) },
    actions: [],
  },
  {
    name: "a container in an unknown state is killed first",
    given: { runtime: runtimeOf([record("main", { state: "unknown" })]) },
    actions: ["kill main (unknown)"],
  },
  {
    name: "a container whose image changed is killed",
    given: {
      pod: aPod({ containers: [container("main", { image: "main:2" })] }),
      runtime: runtimeOf([record("main")]),
    },
    actions: ["kill main (changed)"],
  },
  {
    name: "its own restart rule stands before the Pod's policy",
    given: {
      pod: aPod({
        ...never,
        containers: [
          container("main", {
            restartPolicy: "Never",
            restartPolicyRules: [{ action: "Restart", exitCodes: { operator: "In", values: [42] } }],
          }),
        ],
      }),
      runtime: runtimeOf([exited("main", 42)]),
    },
    actions: ["start main #1"],
  },

  // probes
  {
    name: "a failed liveness probe kills",
    given: { runtime: runtimeOf([record("main")]), probes: { "main-0": { liveness: "failure" } } },
    actions: ["kill main (liveness)"],
  },
  {
    name: "a failed startup probe kills",
    given: { runtime: runtimeOf([record("main")]), probes: { "main-0": { startup: "failure" } } },
    actions: ["kill main (startup)"],
  },
  {
    name: "a failed readiness probe does nothing",
    given: { runtime: runtimeOf([record("main")]), probes: { "main-0": { readiness: "failure" } } },
    actions: [],
  },
  {
    name: "a kill under way is not begun again",
    given: { runtime: runtimeOf([record("main")]), probes: { "main-0": { liveness: "failure" } }, busy: ["main"] },
    actions: [],
  },

  // init containers
  { name: "the first init container starts alone", given: { pod: aPod(inits) }, actions: ["start first #0"] },
  {
    name: "the others wait while it runs",
    given: { pod: aPod(inits), runtime: runtimeOf([record("first")]) },
    actions: [],
  },
  {
    name: "the second follows the first",
    given: { pod: aPod(inits), runtime: runtimeOf([exited("first", 0)]) },
    actions: ["start second #0"],
  },
  {
    name: "regular containers follow the last",
    given: { pod: aPod(inits), runtime: runtimeOf([exited("second", 0), exited("first", 0)]) },
    actions: ["start main #0"],
  },
  {
    name: "a failed init container runs again",
    given: { pod: aPod(inits), runtime: runtimeOf([exited("first", 1)]) },
    actions: ["start first #1"],
  },
  {
    name: "with policy Never it fails the Pod",
    given: { pod: aPod({ ...inits, ...never }), runtime: runtimeOf([exited("first", 1)]) },
    actions: [],
    finished: true,
  },
  {
    name: "init containers collected meanwhile do not run again",
    given: { pod: aPod(inits), runtime: runtimeOf([record("main")]) },
    actions: [],
  },
  {
    name: "nor where a later one has run",
    given: { pod: aPod(inits), runtime: runtimeOf([exited("second", 0)]) },
    actions: ["start main #0"],
  },
  {
    name: "in a new sandbox they run again",
    given: {
      pod: aPod(inits),
      runtime: runtimeOf(
        [exited("first", 0), exited("second", 0), exited("main", 137)],
        [sandbox({ id: "new", attempt: 1 }), ...dead],
      ),
    },
    actions: ["start first #1"],
  },

  // sidecars
  { name: "a sidecar starts in its turn", given: { pod: aPod(sides) }, actions: ["start proxy #0"] },
  {
    name: "the next one does not wait for its end",
    given: { pod: aPod(sides), runtime: runtimeOf([record("proxy")]) },
    actions: ["start setup #0"],
  },
  {
    name: "but for its startup probe",
    given: { pod: aPod(sides), runtime: runtimeOf([record("proxy")]), probes: { "proxy-0": { startup: "unknown" } } },
    actions: [],
  },
  {
    name: "a sidecar that ended runs again while the rest goes on",
    given: { pod: aPod(sides), runtime: runtimeOf([record("main"), exited("setup", 0), exited("proxy", 1)]) },
    actions: ["start proxy #1"],
  },
  {
    name: "even in a Pod with policy Never",
    given: {
      pod: aPod({ ...sides, ...never }),
      runtime: runtimeOf([record("main"), exited("setup", 0), exited("proxy", 0)]),
    },
    actions: ["start proxy #1"],
  },
  {
    name: "it does not keep a Pod alive",
    given: {
      pod: aPod({ ...sides, ...never }),
      runtime: runtimeOf([exited("main", 0), exited("setup", 0), record("proxy")]),
    },
    actions: [],
    finished: true,
  },
  {
    name: "a failed startup probe restarts it",
    given: { pod: aPod(sides), runtime: runtimeOf([record("proxy")]), probes: { "proxy-0": { startup: "failure" } } },
    actions: ["kill proxy (startup)"],
  },

  // ephemeral containers
  {
    name: "an ephemeral container starts beside the rest",
    given: { pod: aPod({ ephemeralContainers: [container("debug")] as never }), runtime: runtimeOf([record("main")]) },
    actions: ["start debug #0"],
  },
  {
    name: "and never again",
    given: {
      pod: aPod({ ephemeralContainers: [container("debug")] as never }),
      runtime: runtimeOf([record("main"), exited("debug", 1)]),
    },
    actions: [],
  },
];

describe("plan", () => {
  it.each(cases)("$name", ({ given, actions, finished = false, stopped = false }) => {
    expect(outcome(given)).toEqual({ actions, finished, stopped });
  });
});

describe("crash loop back-off", () => {
  const backoff = { delayMs: 20_000, since: NOW - 10_000 };
  const runtime = runtimeOf([exited("main", 1, { attempt: 2, finishedAt: NOW - 5_000 })]);

  it("holds a start back and says so", () => {
    const { actions, waiting, wakeAt } = planned({ runtime, backoffs: { main: backoff } });
    expect(actions).toEqual([]);
    expect(waiting.get("main")).toEqual({
      reason: "CrashLoopBackOff",
      message: "back-off 20s restarting failed container=main pod=web_default(uid-1)",
    });
    expect(wakeAt).toBe(NOW + 15_000);
  });

  it("is over in time", () => {
    expect(planned({ runtime, backoffs: { main: backoff }, now: NOW + 15_000 }).actions.map(words)).toEqual([
      "start main #3",
    ]);
  });

  it("doubles up to five minutes and is forgotten after ten minutes of running", () => {
    let entry: Backoff | undefined;
    const delays: number[] = [];
    for (let at = NOW, run = 0; run < 7; run++) {
      entry = nextBackoff(entry, at, at);
      delays.push(entry.delayMs / 1000);
      at += entry.delayMs;
    }
    expect(delays).toEqual([10, 20, 40, 80, 160, 300, 300]);
    const later = (entry?.since ?? 0) + 600_001;
    expect(backedOffUntil(entry, later, later)).toBeUndefined();
    expect(nextBackoff(entry, later, later).delayMs).toBe(10_000);
  });

  it("is written as Go writes durations", () => {
    expect([10_000, 60_000, 160_000, 300_000, 3_600_000].map(goDuration)).toEqual([
      "10s",
      "1m0s",
      "2m40s",
      "5m0s",
      "1h0m0s",
    ]);
  });
});
