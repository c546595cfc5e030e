import { describe, expect, it } from "vitest";
import { type Case, outcome } from "./plan.fixture.ts";
import { type Ending, SANDBOX } from "./plan-draft.ts";
import { aPod, container, exited, NOW, record, runtimeOf, sandbox, sidecar } from "./pod.fixture.ts";

const two = { containers: [container("main"), container("side")] };
const inits = { initContainers: [container("first"), container("second")] };
const sides = { initContainers: [sidecar("proxy"), container("setup")] };
const dead = [sandbox({ ready: false })];
const ending: Ending = { kind: "deleted", since: NOW, graceSeconds: 30 };

const cases: readonly Case[] = [
  {
    name: "an ending Pod's containers are stopped together",
    given: { pod: aPod(two), ending, runtime: runtimeOf([record("main"), record("side")]) },
    actions: ["kill main (ending 30s)", "kill side (ending 30s)"],
  },
  {
    name: "with what is left of the grace period",
    given: { ending: { ...ending, since: NOW - 20_000 }, runtime: runtimeOf([record("main")]) },
    actions: ["kill main (ending 10s)"],
  },
  {
    name: "but at least two seconds",
    given: { ending: { ...ending, since: NOW - 60_000 }, runtime: runtimeOf([record("main")]) },
    actions: ["kill main (ending 2s)"],
  },
  {
    name: "sidecars go after the others",
    given: { pod: aPod(sides), ending, runtime: runtimeOf([record("main"), record("proxy")]) },
    actions: ["kill main (ending 30s)"],
  },
  {
    name: "the last sidecar first",
    given: {
      pod: aPod({ initContainers: [sidecar("proxy"), sidecar("logs")] }),
      ending,
      runtime: runtimeOf([exited("main", 0), record("proxy"), record("logs")]),
    },
    actions: ["kill logs (ending 30s)"],
  },
  {
    name: "then the sandbox",
    given: { ending, runtime: runtimeOf([exited("main", 0)]) },
    actions: ["stop-sandbox sandbox-0"],
  },
  {
    name: "not while something is under way",
    given: { ending, runtime: runtimeOf([exited("main", 0)]), busy: ["main"] },
    actions: [],
  },
  {
    name: "then it has stopped",
    given: { ending, runtime: runtimeOf([exited("main", 0)], dead) },
    actions: [],
    stopped: true,
  },
  {
    name: "a Pod that never began has stopped",
    given: { ending, runtime: runtimeOf([], []) },
    actions: [],
    stopped: true,
  },
  {
    name: "unless its sandbox is being made",
    given: { ending, runtime: runtimeOf([], []), busy: [SANDBOX] },
    actions: [],
  },
  {
    name: "nothing starts in an ending Pod",
    given: { pod: aPod(inits), ending, runtime: runtimeOf([exited("first", 1)]) },
    actions: ["stop-sandbox sandbox-0"],
  },
];

describe("plan of an ending Pod", () => {
  it.each(cases)("$name", ({ given, actions, finished = false, stopped = false }) => {
    expect(outcome(given)).toEqual({ actions, finished, stopped });
  });
});
