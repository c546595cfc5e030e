/** Machines of namespaces: what each has of its own, what they share, cables, plugs. */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { canRunContainers } from "../../e2e/harness/cluster.ts";
import { createMachines, type Machine, type Machines } from "../../e2e/harness/machines.ts";

const ping = (from: Machine, to: Machine) =>
  from.attempt(process.execPath, "--eval", PROBE, to.address).then(({ code }) => code === 0);

/** A connection that is refused was answered too. */
const PROBE = `
  const socket = require("node:net").connect({ host: process.argv[1], port: 9, timeout: 700 });
  socket.on("error", ({ code }) => process.exit(code === "ECONNREFUSED" ? 0 : 1)).on("timeout", () => process.exit(1));
`;

describe.skipIf(!canRunContainers)("machines", () => {
  let machines: Machines;
  let one: Machine;
  let two: Machine;
  let far: Machine;

  beforeAll(async () => {
    machines = await createMachines({ segments: 2 });
    [one, two, far] = await Promise.all([
      machines.machine("one"),
      machines.machine("two"),
      machines.machine("far", { segment: 1 }),
    ]);
  });
  afterAll(() => machines?.close());

  test("each has a name, an id and processes of its own", async () => {
    const facts = (machine: Machine) => machine.run("sh", "-c", "hostname; cat /etc/machine-id; ls /run/");
    expect((await facts(one)).split("\n")[0]).toBe("one");
    expect(await facts(one)).not.toBe(await facts(two));
    const processes = await one.run("sh", "-c", "ls -d /proc/[0-9]* | wc -l");
    expect(Number(processes)).toBeLessThan(12);
  });

  test("they reach each other, also through the router, until a cable is cut", async () => {
    expect(await ping(one, two)).toBe(true);
    expect(await ping(one, far)).toBe(true);
    two.cut();
    expect(await ping(one, two)).toBe(false);
    two.mend();
    expect(await ping(one, two)).toBe(true);
  });

  test("without power nothing of it is left; after a boot it is the same machine, booted anew", async () => {
    const before = await one.run("cat", "/etc/machine-id", "/proc/sys/kernel/random/boot_id");
    const pid = Number(await one.run("sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo $!"));
    expect(await one.run("cat", `/proc/${pid}/comm`)).toBe("sleep\n");
    await one.powerOff();
    expect(await ping(two, one)).toBe(false);
    await one.powerOn();
    expect(await ping(two, one)).toBe(true);
    const after = await one.run("cat", "/etc/machine-id", "/proc/sys/kernel/random/boot_id");
    expect(after.split("\n")[0]).toBe(before.split("\n")[0]);
    expect(after.split("\n")[1]).not.toBe(before.split("\n")[1]);
    expect((await one.attempt("cat", `/proc/${pid}/comm`)).stdout).not.toBe("sleep\n");
  });

  test("it shuts down when its processes have ended", async () => {
    await using program = two.start("sh", "-c", "trap 'sleep 0.2; echo bye; exit 0' TERM; echo on; sleep 100 & wait");
    await program.until("on");
    await two.shutDown();
    expect((await program.ended()).stdout).toContain("bye");
    await two.powerOn();
  });

  test("a command on a machine alone has its exit code, and nothing of it stays", async () => {
    const program = new URL("../../k8ts", import.meta.url).pathname;
    const script = "ip -o link | wc -l; sleep 4567 >/dev/null 2>&1 & exit 7";
    let said: { status?: number; stdout?: string } = {};
    try {
      execFileSync(program, ["machine", "sh", "-c", script], { encoding: "utf8" });
    } catch (error) {
      said = error as typeof said;
    }
    expect(said.status).toBe(7);
    expect(said.stdout).toBe("3\n");
    const left = execFileSync("sh", ["-c", "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' || :"]);
    expect(left.toString().includes(`sleep ${4567} `)).toBe(false);
  });

  test("close leaves nothing", async () => {
    const home = one.paths.root;
    await machines.close();
    expect(existsSync(home)).toBe(false);
  });
});
