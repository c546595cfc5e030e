/** What controllers and their clients count: by result, over a loop that begins anew too. */
import { expect, test } from "vitest";
import type { Transport } from "../client/transport/contract.ts";
import { createRequestCounts } from "../client/transport/counted.ts";
import { ApiError } from "../objects/status.ts";
import { fakeClock } from "../process/fake-clock.ts";
import { createMetrics } from "../process/metrics.ts";
import { createLoopMetrics } from "./loop-metrics.ts";
import { createWorkQueue } from "./work-queue.ts";

test("queues and reconciles are counted under the names of client-go and controller-runtime", async () => {
  const metrics = createMetrics();
  const loop = createLoopMetrics(metrics);
  const clock = fakeClock();
  for (let leadership = 0; leadership < 2; leadership++) {
    const controller = loop.of("deployment");
    const queue = createWorkQueue(clock, controller.adds);
    loop.watch("deployment", queue, 2);
    for (const key of ["default/a", "default/b", "default/a"]) queue.add(key);
    const item = await queue.next(new AbortController().signal);
    controller.waited.observe((item?.waitedMs ?? 0) / 1000);
    controller.done("success", 0.02);
    controller.done("error", 3);
  }
  await clock.advance(2_000);
  const text = await metrics.text();
  for (const line of [
    'workqueue_adds_total{name="deployment"} 4',
    'workqueue_depth{name="deployment"} 1',
    'workqueue_unfinished_work_seconds{name="deployment"} 2',
    'workqueue_longest_running_processor_seconds{name="deployment"} 2',

    'workqueue_queue_duration_seconds_count{name="deployment"} 2',
    'workqueue_work_duration_seconds_sum{name="deployment"} 6.04',
    'controller_runtime_reconcile_total{controller="deployment",result="success"} 2',
    'controller_runtime_reconcile_total{controller="deployment",result="error"} 2',
    'controller_runtime_reconcile_errors_total{controller="deployment"} 2',
    'controller_runtime_active_workers{controller="deployment"} 1',
    'controller_runtime_max_concurrent_reconciles{controller="deployment"} 2',
  ])
    expect(text).toContain(`${line}\n`);
});

test("requests of a client are counted by method and answer", async () => {
  const metrics = createMetrics();
  const away = new ApiError("ServiceUnavailable", "away");
  const bare: Transport = {
    shared: true,
    async request({ path }) {
      if (path === "/gone") throw new ApiError("NotFound", "gone");
      return {};
    },
    async *watch() {
      yield [];
    },
    stream: () => ({ [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(away) }) }),
    close: async () => undefined,
  };
  const transport = createRequestCounts(metrics, "127.0.0.1:6443").counted(bare);
  await transport.request({ method: "POST", path: "/things" });
  await transport.request({ method: "GET", path: "/gone" }).catch(() => undefined);
  for await (const _ of transport.watch({ method: "GET", path: "/things" }));
  await expect(transport.stream({ method: "GET", path: "/log" })[Symbol.asyncIterator]().next()).rejects.toThrow(
    "away",
  );
  const text = await metrics.text();
  for (const [code, method] of [
    ["201", "POST"],
    ["404", "GET"],
    ["200", "GET"],
    ["503", "GET"],
  ])
    expect(text).toContain(`rest_client_requests_total{code="${code}",host="127.0.0.1:6443",method="${method}"} 1\n`);
});
