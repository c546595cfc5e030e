import { describe, expect, test } from "vitest";
import type { Pod } from "../../machinery/objects/kinds.ts";
import { fakeClock } from "../../machinery/process/fake-clock.ts";
import { createPolicyGate } from "./gate.ts";
import { pod as policyPod } from "./policy.fixture.ts";

const pod = (
  name: string,
  rest: { readonly annotations?: Record<string, string>; readonly hostNetwork?: boolean } = {},
): Pod => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: {
    ...{ name, namespace: "default", uid: name, resourceVersion: "1", creationTimestamp: "" },
    ...(rest.annotations && { annotations: rest.annotations }),
  },
  spec: { nodeName: "one", containers: [], ...(rest.hostNetwork && { hostNetwork: true }) },
});
const STATIC = { "kubernetes.io/config.source": "file" };

function start() {
  const clock = fakeClock();
  const gate = createPolicyGate(clock);
  const passed: string[] = [];
  const pass = (one: Pod, ...addresses: string[]) =>
    gate.pass(one, addresses).then(
      () => void passed.push(one.metadata.name),
      (error: Error) => void passed.push(`${one.metadata.name}: ${error.message}`),
    );
  const settled = () => clock.advance(0);
  const known = new Map<string, ReturnType<typeof policyPod>>();
  const apply = () => {
    const arrived = gate.arrivals((key) => known.get(key));
    arrived.bound();
    return arrived.pods.map(({ uid }) => uid);
  };
  return { clock, gate, passed, pass, settled, known, apply };
}

describe("the gate before a Pod's first container", () => {
  test("opens when policies bind the Pod, at once for who passed before", async () => {
    const { gate, passed, pass, settled, apply } = start();
    let roused = 0;
    gate.onArrival(() => roused++);
    void pass(pod("a"), "10.42.0.2");
    await settled();
    expect([passed, roused, gate.waiting()]).toEqual([[], 1, true]);
    expect(apply()).toEqual(["a"]);
    await settled();
    expect([passed, gate.waiting()]).toEqual([["a"], false]);
    void pass(pod("a"), "10.42.0.2");
    await settled();
    expect([passed, roused]).toEqual([["a", "a"], 1]);
  });

  test("is open while there are no policies, and for Pods of the host's network", async () => {
    const { gate, passed, pass, settled } = start();
    void pass(pod("waits"), "10.42.0.2");
    gate.open();
    void pass(pod("free"), "10.42.0.3");
    await settled();
    expect(passed).toEqual(["waits", "free"]);
    gate.arrivals(() => undefined);
    void pass(pod("host", { hostNetwork: true }), "192.0.2.1");
    void pass(pod("closed again"), "10.42.0.4");
    await settled();
    expect(passed).toEqual(["waits", "free", "host"]);
  });

  test("says so when policies are not applied in time, and lets in later", async () => {
    const { clock, passed, pass, settled, apply } = start();
    void pass(pod("a"), "10.42.0.2");
    await clock.advance(10_001);
    expect(passed).toEqual(["a: network policies were not applied within 10 s"]);
    void pass(pod("a"), "10.42.0.2");
    apply();
    await settled();
    expect(passed.at(-1)).toBe("a");
  });

  test("lets Pods of the node's own in while policies are not known yet, and binds them when they are", async () => {
    const { passed, pass, settled, apply } = start();
    void pass(pod("own", { annotations: STATIC }), "10.42.0.2");
    await settled();
    expect(passed).toEqual(["own"]);
    expect(apply()).toEqual(["own"]);
    void pass(pod("second", { annotations: STATIC }), "10.42.0.3");
    await settled();
    expect(passed).toEqual(["own"]);
  });

  test("forgets a Pod when the cluster tells of it, or another has its address", async () => {
    const { pass, settled, apply, known } = start();
    void pass(pod("a"), "10.42.0.2");
    void pass(pod("b"), "10.42.0.3");
    expect(apply()).toEqual(["a", "b"]);
    known.set("default/a", policyPod("a", "10.42.0.2"));
    expect(apply()).toEqual(["b"]);
    await settled();
    void pass(pod("c"), "10.42.0.3");
    expect(apply()).toEqual(["c"]);
    known.set("default/c", policyPod("a later c", "10.42.0.9"));
    expect(apply()).toEqual([]);
  });

  test("lets nobody wait for ever when nobody looks after it any more", async () => {
    const { gate, passed, pass, settled } = start();
    void pass(pod("a"), "10.42.0.2");
    gate.close();
    await settled();
    expect(passed).toEqual(["a: network policies are not looked after any more"]);
  });
});
