/** Credentials that change on disk: taken up in time, without cutting what is under way. */
import { expect, it } from "vitest";
import { ApiError } from "../../objects/status.ts";
import { fakeClock } from "../../process/fake-clock.ts";
import { silent } from "../../process/logging.ts";
import type { Transport } from "./contract.ts";
import { renewedTransport } from "./renewed.ts";

const GET = { method: "GET", path: "/" } as const;

function scene(until?: number) {
  const clock = fakeClock();
  const ends = () => until;
  const disk = { text: "one", broken: false };
  const closed: string[] = [];
  const open = (access: { text: string }): Transport => ({
    shared: false,
    async request() {
      if (closed.includes(access.text) || access.text === "expired") throw new ApiError("Unauthorized", "Unauthorized");
      return access.text;
    },
    async *watch() {},
    async *stream() {},
    close: async () => void closed.push(access.text),
  });
  const load = async () => {
    if (disk.broken) throw new Error("half written");
    return { text: disk.text };
  };
  return {
    clock,
    disk,
    closed,
    transport: renewedTransport({ first: { text: "one" }, load, open, until: ends, clock, log: silent }),
  };
}

it("takes up what changed within a minute, and lets the old connections end", async () => {
  const { clock, disk, closed, transport } = scene();
  disk.text = "two";
  expect(await transport.request(GET)).toBe("one");
  await clock.advance(60_000);
  expect(await transport.request(GET)).toBe("two");
  expect(closed).toEqual([]);
  await clock.advance(60_000);
  expect(closed).toEqual(["one"]);
});

it("takes it up soon after the server refused the old ones", async () => {
  const { clock, disk, transport } = scene();
  disk.text = "expired";
  await clock.advance(60_000);
  await expect(transport.request(GET)).rejects.toThrow("Unauthorized");
  disk.text = "two";
  await clock.advance(1_000);
  expect(await transport.request(GET)).toBe("two");
});

it("keeps what it has while the file cannot be read, and reads no more once it is closed", async () => {
  const { clock, disk, closed, transport } = scene();
  disk.broken = true;
  await clock.advance(60_000);
  expect(await transport.request(GET)).toBe("one");
  disk.broken = false;
  disk.text = "two";
  await transport.close();
  await clock.advance(60_000);
  await expect(transport.request(GET)).rejects.toThrow("Unauthorized");
  expect(closed).toEqual(["one"]);
});

it("looks more often when they end soon, so that none is used that has ended", async () => {
  const { clock, disk, transport } = scene(fakeClock().now() + 30_000);
  await clock.advance(22_000);
  expect(await transport.request(GET)).toBe("one");
  disk.text = "two";
  await clock.advance(3_000);
  expect(await transport.request(GET)).toBe("two");
});
