import { describe, expect, it } from "vitest";
import { startPipeline } from "../../e2e/harness/pipeline.ts";
import { fakeClock } from "../../machinery/process/fake-clock.ts";
import { silent } from "../../machinery/process/logging.ts";
import { createTokens } from "./tokens.ts";

describe("service account tokens", () => {
  it("are asked for once, renewed in time, and kept while they cannot be", async () => {
    const clock = fakeClock();
    const pipeline = await startPipeline({ clock, advertiseAddress: "192.0.2.1" });
    const client = pipeline.client();
    const containers = [{ name: "main", image: "busybox:1.36" }];
    const pod = await client.create("pods", { metadata: { name: "web", namespace: "default" }, spec: { containers } });
    const tokens = createTokens({ client, clock, log: silent });
    const { uid } = pod.metadata;

    const first = await tokens.token(pod, undefined, 3600);
    expect(first.split(".")).toHaveLength(3);
    expect(await tokens.token(pod, undefined, 3600)).toBe(first);
    expect(await tokens.token(pod, "vault", 3600)).not.toBe(first);
    const due = (tokens.due(uid) ?? 0) - clock.now();
    expect(due).toBeGreaterThan(0.7 * 3_600_000);
    expect(due).toBeLessThanOrEqual(0.8 * 3_600_000);

    await clock.advance(due + 60_000);
    const second = await tokens.token(pod, undefined, 3600);
    expect(second).not.toBe(first);

    await client.delete("serviceaccounts", { namespace: "default", name: "default" });
    await clock.advance(0.85 * 3_600_000);
    expect(await tokens.token(pod, undefined, 3600)).toBe(second);
    await clock.advance(3_600_000);
    await expect(tokens.token(pod, undefined, 3600)).rejects.toThrow(/not found/);
    await pipeline.close();
  });
});
