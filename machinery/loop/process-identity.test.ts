/** Who is known to be dead. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, it } from "vitest";
import { fakeClock } from "../process/fake-clock.ts";
import { isKnownDead, processIdentity } from "./process-identity.ts";

const own = processIdentity(fakeClock());

it.runIf(process.platform === "linux")(
  "a living process is not dead, and one of its number that started at another time is",
  () => {
    expect(isKnownDead(own)).toBe(false);
    expect(isKnownDead(own.replace(/\d+$/, "1"))).toBe(true);
  },
);

it.runIf(process.platform === "linux")("a killed process is dead", async () => {
  const child = spawn("sleep", ["60"]);
  await once(child, "spawn");
  const stat = () => own.replace(/-\d+-\d+$/, `-${child.pid}-0`);
  child.kill("SIGKILL");
  await once(child, "exit");
  expect(isKnownDead(stat())).toBe(true);
});

it.each([
  ["of another boot", own.replace(/_[0-9a-f]{32}/, `_${"0".repeat(32)}`)],
  ["in another process namespace", own.replace(/-\d+(-\d+-\d+)$/, "-1$1")],
  ["with a name of another form", "kube-controller-manager_f66509e7-2969-4eb9-a0de-73f76b7eaec9"],
])("nothing is known about one %s", (_what, identity) => {
  expect(isKnownDead(identity)).toBe(false);
});
