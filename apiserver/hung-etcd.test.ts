/** An etcd that hangs: stopped, neither dead nor answering. Requests end, and all is well when it goes on. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Pipeline, startPipeline } from "../e2e/harness/pipeline.ts";
import { systemClock } from "../machinery/process/clock.ts";
import { silent } from "../machinery/process/logging.ts";
import { type EtcdServer, hasEtcd, startEtcd } from "./store/etcd/etcd-server.ts";
import { openEtcdStore } from "./store/etcd/etcd-store.ts";

describe.skipIf(!hasEtcd())("an etcd that hangs", () => {
  let etcd: EtcdServer;
  let pipeline: Pipeline;
  beforeAll(async () => {
    etcd = await startEtcd();
    const store = openEtcdStore({ endpoints: [etcd.endpoint], clock: systemClock, log: silent, callMs: 1_000 });
    pipeline = await startPipeline({ store });
    await pipeline.send({ method: "POST", path: PATH, body: { metadata: { name: "kept" } } });
    await pipeline.send({ method: "POST", path: LEASES, body: { metadata: { name: "n1" } } });
  });
  afterAll(async () => {
    etcd?.signal("SIGCONT");
    await pipeline?.close();
    await etcd?.stop();
  });
  const PATH = "/api/v1/namespaces/default/configmaps";
  const LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";

  test("ends writes and consistent reads with 5xx in time, answers from cache what may be old, and recovers", async () => {
    const statusOf = async (method: string, path: string, body?: unknown) => {
      const before = systemClock.monotonic();
      const headers = { "content-type": method === "PATCH" ? "application/merge-patch+json" : "application/json" };
      const { status, value } = await pipeline.send({ method, path, headers, ...(body ? { body } : {}) });
      expect(systemClock.monotonic() - before).toBeLessThan(10_000);
      return { status, kind: value.kind, message: value.message };
    };
    const watching = await pipeline.send({ path: `${PATH}?watch=true` });

    etcd.signal("SIGSTOP");
    const hung = await Promise.all([
      statusOf("GET", `${PATH}/kept`),
      statusOf("GET", PATH),
      statusOf("POST", PATH, { metadata: { name: "new" } }),
      statusOf("PATCH", `${LEASES}/n1`, { spec: { holderIdentity: "n1" } }),
    ]);
    for (const answer of hung) {
      expect(answer.status).toBeGreaterThanOrEqual(500);
      expect(answer).toMatchObject({ kind: "Status", message: expect.stringContaining("etcd") });
    }
    expect(await statusOf("GET", `${PATH}/kept?timeout=50ms`)).toMatchObject({
      status: 504,
      message: "Timeout: request did not complete within requested timeout - context deadline exceeded",
    });
    expect((await statusOf("GET", `${PATH}/kept?timeout=soon`)).status).toBe(400);
    expect((await statusOf("GET", `${PATH}/kept?resourceVersion=0`)).status).toBe(200);
    expect((await statusOf("GET", `${PATH}?resourceVersion=0`)).status).toBe(200);
    expect((await pipeline.send({ path: "/readyz" })).status).toBe(500);
    expect((await pipeline.send({ path: "/livez" })).status).toBe(200);

    etcd.signal("SIGCONT");
    const deadline = systemClock.monotonic() + 15_000;
    let heartbeat = 0;
    while (heartbeat !== 200 && systemClock.monotonic() < deadline) {
      const body = { spec: { holderIdentity: `n${systemClock.now()}` } };
      heartbeat = (await statusOf("PATCH", `${LEASES}/n1`, body)).status;
    }
    expect(heartbeat).toBe(200);
    expect((await statusOf("GET", `${PATH}/kept`)).status).toBe(200);
    expect((await pipeline.send({ path: "/readyz" })).status).toBe(200);

    // the watch that stood all the while sees what comes
    await statusOf("POST", PATH, { metadata: { name: "after" } });
    if (watching.body.kind !== "watch") throw new Error(watching.body.kind);
    let seen = "";
    for await (const batch of watching.body.batches) {
      seen += batch.map((item) => Buffer.from(item.encoded()).toString()).join("");
      if (seen.includes('"after"')) break;
    }
    expect(seen).toContain('"kept"');
  });
});
