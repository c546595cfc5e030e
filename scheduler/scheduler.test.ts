import { expect, test } from "vitest";
import { nodeDraft, podDraft, startScheduled } from "../e2e/harness/scheduled.ts";
import { systemClock, wireMicroTime } from "../machinery/process/clock.ts";
import { silent } from "../machinery/process/logging.ts";
import { runScheduler, SCHEDULER_USER } from "./scheduler.ts";

const eventually = { timeout: 15_000, interval: 10 };
const LEASE = { namespace: "kube-system", name: "kube-scheduler" };

test("a scheduler that is not the leader binds nothing, and all that waited once it leads again", async () => {
  const { client, pipeline, nodeOf, close } = await startScheduled(nodeDraft("a"));
  const stop = new AbortController();
  const ended = runScheduler({
    client: pipeline.client(SCHEDULER_USER, []),
    clock: systemClock,
    log: silent,
    signal: stop.signal,
    leadership: "hold",
    identity: "one",
  });
  await client.create("pods", podDraft("first"));
  await expect.poll(() => nodeOf("first"), eventually).toBe("a");

  const lease = await client.get("leases", LEASE);
  const renewTime = wireMicroTime(systemClock.now());
  await client.update("leases", { ...lease, spec: { holderIdentity: "other", leaseDurationSeconds: 1, renewTime } });
  await systemClock.sleep(50);
  await client.create("pods", podDraft("second"));
  await systemClock.sleep(500);
  expect(await nodeOf("second")).toBeUndefined();

  await expect.poll(() => nodeOf("second"), eventually).toBe("a");
  expect((await client.get("leases", LEASE)).spec?.holderIdentity).toBe("one");
  stop.abort(new Error("stopped"));
  await ended;
  await close();
});
