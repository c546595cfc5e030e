import { expect, test } from "vitest";
import type { ResponseRecord } from "../../machinery/client/transport/contract.ts";
import { type HealthCheck, health } from "./health.ts";

const good: HealthCheck = { name: "ping", live: true, check: () => undefined };
const slow: HealthCheck = { name: "poststarthook/bootstrap", live: false, check: async () => undefined };
const bad: HealthCheck = { name: "etcd", live: false, check: () => "connection refused" };

const textOf = ({ status, body }: ResponseRecord) => [status, body.kind === "bytes" ? String(body.bytes) : ""];
const ask = async (url: string, checks: readonly HealthCheck[]) => {
  const { pathname, searchParams } = new URL(url, "http://server");
  return textOf(await health(pathname, searchParams, checks));
};

test.each<[string, readonly HealthCheck[], number, string]>([
  ["/readyz", [good, slow], 200, "ok"],
  ["/readyz?verbose", [good, slow], 200, "[+]ping ok\n[+]poststarthook/bootstrap ok\nreadyz check passed\n"],
  ["/livez?verbose", [good, bad], 200, "[+]ping ok\nlivez check passed\n"],
  ["/readyz", [good, bad], 500, "[+]ping ok\n[-]etcd failed: reason withheld\nreadyz check failed\n"],
  ["/readyz?exclude=etcd", [good, bad], 200, "ok"],
  ["/readyz?exclude=etcd&verbose=true", [good, bad], 200, "[+]ping ok\n[+]etcd excluded: ok\nreadyz check passed\n"],
  [
    "/readyz?exclude=moon&exclude=mars&verbose",
    [good],
    200,
    '[+]ping ok\nwarn: some health checks cannot be excluded: no matches for "moon","mars"\nreadyz check passed\n',
  ],
  ["/readyz/ping", [good, bad], 200, "ok"],
  ["/readyz/etcd", [good, bad], 500, "internal server error: connection refused\n"],
  ["/readyz/poststarthook/bootstrap", [good, slow], 200, "ok"],
])("%s", async (url, checks, status, text) => {
  expect(await ask(url, checks)).toEqual([status, text]);
});

test("a check that is not there is 404", async () => {
  await expect(ask("/livez/etcd", [good, bad])).rejects.toThrow("could not find the requested resource");
});
