/**
 * Pod cases: what the fields of a Pod promise, whatever its runtime. Run over containerd and over the simulated one.
 *
 * What takes a kernel to see lies in ../real-*.test.ts, what takes a simulation in ../run-kubelet.test.ts.
 */
import { afterAll, beforeAll, describe } from "vitest";
import type { TestNode } from "../../e2e/harness/node.ts";
import { createPodLab, type PodLab } from "../../e2e/harness/pod-lab.ts";
import type { Client } from "../../machinery/client/client.ts";
import { beginningCases } from "./beginning.cases.ts";
import { configurationCases } from "./configuration.cases.ts";
import { endingCases } from "./ending.cases.ts";
import { healthCases } from "./health.cases.ts";
import { nodeCases } from "./node.cases.ts";
import { resizeCases } from "./resize.cases.ts";

export interface PodFixture {
  readonly node: TestNode;
  readonly client: Client;
  close(): Promise<void>;
}

export function podCases(runtime: string, open: () => Promise<PodFixture>): void {
  describe(`over the ${runtime} runtime`, { timeout: 120_000 }, () => {
    let fixture: PodFixture;
    let lab: PodLab;
    beforeAll(async () => {
      fixture = await open();
      lab = createPodLab(fixture.node, fixture.client);
    });
    afterAll(async () => {
      await lab?.clear();
      await fixture?.close();
    });
    for (const cases of [beginningCases, configurationCases, healthCases, endingCases, nodeCases, resizeCases])
      cases(() => lab);
  });
}
