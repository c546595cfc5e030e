/** The text of /metrics/probes. */
import { expect, it } from "vitest";
import { fakeClock } from "../../machinery/process/fake-clock.ts";
import { aPod } from "../pods/pod.fixture.ts";
import { createProbeMetrics } from "./probe-metrics.ts";

const probes = (text: string) => text.split("\n").filter((line) => line.startsWith("prober_probe_total{"));

it("counts each try of a container's probe by how it ended, until its Pod is gone", async () => {
  const clock = fakeClock();
  const metrics = createProbeMetrics(clock);
  const pod = aPod({});
  const { name, namespace, uid } = pod.metadata;
  const verdicts = [
    { ok: true, output: "" },
    { ok: false, output: "no" },
    { ok: false, unknown: true, output: "?" },
  ];
  const attempt = metrics.counted(pod, "main", "readiness", async () => verdicts.shift() ?? { ok: true, output: "" });
  for (let tries = 0; tries < 4; tries++) await attempt();
  const of = `container="main",pod="${name}",namespace="${namespace}"`;
  expect(probes(await metrics.text())).toEqual([
    `prober_probe_total{probe_type="Readiness",result="successful",${of},pod_uid="${uid}"} 2`,
    `prober_probe_total{probe_type="Readiness",result="failed",${of},pod_uid="${uid}"} 1`,
    `prober_probe_total{probe_type="Readiness",result="unknown",${of},pod_uid="${uid}"} 1`,
  ]);
  expect(await metrics.text()).toContain(`prober_probe_duration_seconds_count{probe_type="Readiness",${of}} 4`);
  metrics.forget(uid);
  await attempt();
  expect(await metrics.text()).not.toContain("main");
});
