import { describe, expect, it } from "vitest";
import type { Pod } from "../../machinery/objects/kinds.ts";
import type { Requirements } from "./allocation.ts";
import { type Given, outcome, planned } from "./plan.fixture.ts";
import { aPod, container, exited, NOW, record, runtimeOf, sidecar } from "./pod.fixture.ts";
import type { Sizes } from "./resize-plan.ts";
import { podLimits } from "./resources.ts";

const size = (cpu: string, memory: string): Requirements => ({
  requests: { cpu, memory },
  limits: { cpu, memory },
});
const SMALL = size("100m", "64Mi");
const LARGE = size("200m", "128Mi");

const podOf = (main: Requirements, helper: Requirements = SMALL, extra: object = {}) =>
  aPod({
    initContainers: [sidecar("helper", { resources: helper })],
    containers: [container("main", { resources: main, ...extra })],
  });
const has = (main: Requirements, helper: Requirements = SMALL, pod = podOf(main, helper)): Sizes => ({
  of: ({ name }) => (name === "main" ? main : helper),
  pod: podLimits(pod),
  whole: pod.spec?.resources,
});
const running = runtimeOf([record("main"), record("helper")]);
const restarts = { resizePolicy: [{ resourceName: "memory", restartPolicy: "RestartContainer" }] };

describe("a resize is carried out", () => {
  const cases: readonly [string, Given, readonly string[], boolean][] = [
    ["not when everything is as granted", { pod: podOf(LARGE), sizes: has(LARGE) }, [], false],
    [
      "not when the amounts are only written otherwise",
      { pod: podOf(size("0.2", "131072Ki")), sizes: has(LARGE) },
      [],
      false,
    ],
    ["the Pod first when it grows", { pod: podOf(LARGE), sizes: has(SMALL) }, ["resize grow main"], true],
    ["the Pod last when it shrinks", { pod: podOf(SMALL), sizes: has(LARGE) }, ["resize main settle"], true],
    [
      "what shrinks before what grows",
      { pod: podOf(LARGE, SMALL), sizes: has(SMALL, LARGE) },
      ["resize helper main"],
      true,
    ],
    [
      "by a restart where the policy says so, the Pod shrinking later",
      { pod: podOf(SMALL, SMALL, restarts), sizes: has(LARGE) },
      ["kill main (resize)"],
      true,
    ],
    [
      "by a restart after the Pod has grown",
      { pod: podOf(LARGE, SMALL, restarts), sizes: has(SMALL) },
      ["kill main (resize)", "resize grow"],
      true,
    ],
    [
      "in place when the policy asks for a restart for memory, and cpu changed",
      { pod: podOf(size("200m", "64Mi"), SMALL, restarts), sizes: has(SMALL) },
      ["resize grow main"],
      true,
    ],
    ["one at a time", { pod: podOf(LARGE), sizes: has(SMALL), busy: ["/resize"] }, [], true],
    [
      "again only after a while when it failed",
      { pod: podOf(LARGE), sizes: has(SMALL), retryAt: { "/resize": NOW + 10_000 } },
      [],
      true,
    ],
    [
      "for the Pod too when nothing runs that was resized",
      {
        pod: podOf(LARGE),
        sizes: has(SMALL),
        runtime: runtimeOf([exited("main", 1), record("helper")]),
        busy: ["main"],
      },
      ["resize grow"],
      true,
    ],
  ];
  it.each(cases)("%s", (_name, given, actions, resizing) => {
    const input = { runtime: running, ...given };
    expect(outcome(input).actions.toSorted()).toEqual([...actions].sort());
    expect(planned(input).resizing).toBe(resizing);
  });
});

describe("a Pod that is resized as a whole", () => {
  const whole = (memory: string, containers = [container("main"), container("own", { resources: SMALL })]) =>
    aPod({ resources: { requests: { memory }, limits: { memory } }, containers });
  const both = runtimeOf([record("main"), record("own")]);
  const sizes = (pod: Pod): Sizes => ({
    of: ({ name }) => (name === "own" ? SMALL : {}),
    pod: podLimits(pod),
    whole: pod.spec?.resources,
  });
  it("takes the containers along that have no limit of their own", () => {
    const grows = { pod: whole("128Mi"), sizes: sizes(whole("64Mi")), runtime: both };
    expect(outcome(grows).actions).toEqual(["resize grow main settle"]);
    const shrinks = { pod: whole("64Mi"), sizes: sizes(whole("128Mi")), runtime: both };
    expect(outcome(shrinks).actions).toEqual(["resize main settle"]);
  });
  it("is done when the Pod has what it was granted", () => {
    expect(planned({ pod: whole("128Mi"), sizes: sizes(whole("128Mi")), runtime: both }).resizing).toBe(false);
  });
});

describe("a container that was killed for its new size", () => {
  const dead = runtimeOf([exited("main", 0), record("helper")]);
  const onFailure = (pod: Pod): Pod => ({ ...pod, spec: { ...pod.spec!, restartPolicy: "OnFailure" } });
  const given = { pod: onFailure(podOf(LARGE, SMALL, restarts)), runtime: dead };
  it("starts again, whatever its exit code and restart policy", () => {
    const replaced = new Set(["main-0"]);
    expect(outcome({ ...given, sizes: has(LARGE), replaced }).actions).toEqual(["start main #1"]);
    expect(outcome({ ...given, sizes: has(LARGE) }).finished).toBe(true);
  });
  it("waits until the Pod has grown", () => {
    const replaced = new Set(["main-0"]);
    expect(outcome({ ...given, sizes: has(SMALL), replaced }).actions).toEqual(["resize grow"]);
    expect(outcome({ ...given, sizes: has(SMALL), replaced, busy: ["/resize"] }).actions).toEqual([]);
  });
});
