/** Logs, exec, attach, port-forward, cp and debug on real containers, by every way a kubectl speaks: SPDY, WebSocket, ours. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Cluster, canRunContainers, eventually, startCluster } from "./harness/cluster.ts";
import { imageArchive } from "./harness/images.ts";
import { endsOf, type Kubectl, ours, realKubectls } from "./harness/kubectls.ts";
import { httpGet } from "./harness/plain-http.ts";
import { BUSYBOX, containerStatus, getPod, manifests, pod, ready, sh } from "./harness/pods.ts";
import { startKubectl, startOnTerminal } from "./harness/running.ts";

const kubectls = [...endsOf(realKubectls()), ours];

const PODS = manifests(
  pod("shell", {}),
  pod("patient", {}),
  pod("counter", {
    containers: [{ command: sh("i=0; while true; do i=$((i+1)); echo line $i; sleep 0.2 & wait $!; done") }],
  }),
  pod("pair", {
    containers: [
      { name: "left", command: sh("echo from left; sleep 86400 & wait") },
      { name: "right", command: sh("echo from right; echo and an error >&2; sleep 86400 & wait") },
    ],
  }),
  pod("crasher", { containers: [{ command: ["sh", "-c", "echo run of $HOSTNAME; sleep 1; exit 3"] }] }),
  pod("talker", { containers: [{ stdin: true, tty: true, command: ["sh"] }] }),
  pod("listener", {
    containers: [{ stdin: true, command: sh("while read -r line; do echo heard $line; done; sleep 86400 & wait") }],
  }),
  pod("server", {
    containers: [{ command: sh("mkdir /www; seq 1 200000 > /www/numbers; httpd -f -p 8080 -h /www & wait") }],
  }),
);

describe.skipIf(!canRunContainers)("streams", () => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await startCluster();
    await cluster.k8ts("images", "import", await imageArchive("busybox"));
    await cluster.kubectl(ours, ["apply", "-f", "-"], PODS);
    await ready(cluster, ours, "shell", "patient", "counter", "pair", "talker", "listener", "server");
  });
  afterAll(() => cluster?.down());

  describe.each(kubectls)("kubectl $version", (kubectl) => {
    const run = (...args: string[]) => cluster.kubectl(kubectl, args);
    const attempt = (args: string[], input?: string) => cluster.tryKubectl(kubectl, args, input);

    describe("logs", () => {
      test("of the only container, of one of several, of all", async () => {
        expect(await run("logs", "pair", "-c", "left")).toBe("from left\n");
        expect((await run("logs", "pair", "--all-containers")).split("\n").toSorted()).toEqual(
          ["", "and an error", "from left", "from right"].toSorted(),
        );
        expect(await run("logs", "pair", "--all-containers", "--prefix")).toContain("[pod/pair/right] from right\n");
        const unnamed = await attempt(["logs", "pair"]);
        expect(unnamed.stderr).toContain('Defaulted container "left" out of: left, right');
      });

      test("the last lines, with times, of the last seconds, of so many bytes", async () => {
        expect((await run("logs", "counter", "--tail=3")).trim().split("\n")).toHaveLength(3);
        const stamped = await run("logs", "counter", "--tail=1", "--timestamps");
        expect(stamped).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z line \d+\n$/);
        const recent = (await run("logs", "counter", "--since=1s")).trim().split("\n").filter(Boolean);
        expect(recent.length).toBeLessThan(15);
        expect(await run("logs", "counter", "--limit-bytes=6")).toBe("line 1");
      });

      test("follow shows what comes", async () => {
        await using session = startKubectl(cluster, kubectl, ["logs", "-f", "counter", "--tail=1"]);
        await session.until(/line \d+\n(line \d+\n){4}/);
        const numbers = [...session.stdout.matchAll(/line (\d+)/g)].map((match) => Number(match[1]));
        expect(numbers).toEqual(numbers.map((_, index) => (numbers[0] ?? 0) + index));
      });

      test("follow ends when the container ends", async () => {
        const name = `brief-${kubectl.version.replace(".", "-")}`;
        const brief = pod(name, {
          restartPolicy: "Never",
          containers: [{ command: ["sh", "-c", "for i in 1 2 3; do echo $i; sleep 1; done"] }],
        });
        await cluster.kubectl(kubectl, ["apply", "-f", "-"], brief);
        await eventually("its container to run", async () => {
          expect(containerStatus(await getPod(cluster, kubectl, name))?.started).toBe(true);
        });
        await using session = startKubectl(cluster, kubectl, ["logs", "-f", name]);
        expect(await session.ended()).toEqual({ code: 0, stdout: "1\n2\n3\n", stderr: "" });
      });

      test("of the run before", async () => {
        await eventually("a restart", async () => {
          expect(containerStatus(await getPod(cluster, kubectl, "crasher"))?.restartCount).toBeGreaterThan(0);
        });
        expect(await run("logs", "crasher", "--previous")).toBe("run of crasher\n");
        const never = await attempt(["logs", "shell", "--previous"]);
        expect(never.code).toBe(1);
        expect(never.stderr).toContain('previous terminated container "main" in pod "shell" not found');
      });

      test("of what is not there", async () => {
        expect((await attempt(["logs", "nobody"])).stderr).toContain('pods "nobody" not found');
        expect((await attempt(["logs", "pair", "-c", "middle"])).stderr).toMatch(
          /container middle is not valid for pod pair/,
        );
      });
    });

    describe("exec", () => {
      test("both outputs, apart", async () => {
        const ran = await attempt(["exec", "shell", "--", "sh", "-c", "echo out; echo err >&2"]);
        expect(ran).toEqual({ code: 0, stdout: "out\n", stderr: "err\n" });
      });

      test("input, and its end", async () => {
        await using session = startKubectl(cluster, kubectl, ["exec", "-i", "shell", "--", "cat"]);
        session.write("hi\n");
        await session.until("hi\n");
        session.end();
        expect(await session.ended()).toEqual({ code: 0, stdout: "hi\n", stderr: "" });
      });

      test("much input, unchanged", async () => {
        const text = `${"0123456789abcde".repeat(64)}\n`.repeat(2000);
        const ran = await attempt(["exec", "-i", "shell", "--", "cat"], text);
        expect(ran.code).toBe(0);
        expect(ran.stdout.length).toBe(text.length);
        expect(ran.stdout === text).toBe(true);
      });

      test("much output, to its last byte", async () => {
        const ran = await attempt(["exec", "shell", "--", "seq", "1", "200000"]);
        expect(ran.stdout.length).toBe(1_288_895);
        expect(ran.stdout.endsWith("\n200000\n")).toBe(true);
      });

      test("exit codes", async () => {
        const ran = await attempt(["exec", "shell", "--", "sh", "-c", "exit 7"]);
        expect(ran.code).toBe(7);
        expect(ran.stderr).toContain("command terminated with exit code 7");
      });

      test("a program that is not there", async () => {
        const ran = await attempt(["exec", "shell", "--", "no-such-program"]);
        expect(ran.code).not.toBe(0);
        expect(ran.stderr).toMatch(/no-such-program/);
      });

      test("a terminal", async () => {
        await using session = startOnTerminal(cluster, kubectl, ["exec", "-it", "shell", "--", "sh"]);
        await session.until(/[#$] /);
        session.write("tty; echo $((6*7))\n");
        await session.until(/\/dev\/pts\/\d+\r+\n42\r+\n/);
        session.write("exit 5\n");
        expect((await session.ended()).code).toBe(5);
      });

      test("in one of several containers", async () => {
        expect(await run("exec", "pair", "-c", "right", "--", "hostname")).toBe("pair\n");
        const wrong = await attempt(["exec", "pair", "-c", "middle", "--", "true"]);
        expect(wrong.code).toBe(1);
        expect(wrong.stderr).toMatch(/container middle (is not valid for|not found in) pod pair/);
      });

      test("of what is not there, and of a Pod that does not run", async () => {
        expect((await attempt(["exec", "nobody", "--", "true"])).stderr).toContain('pods "nobody" not found');
      });
    });

    describe("attach", () => {
      test("hears what the container says, and is heard", async () => {
        await using session = startKubectl(cluster, kubectl, ["attach", "-i", "listener"]);
        session.write(`${kubectl.version}\n`);
        await session.until(`heard ${kubectl.version}\n`);
      });

      test("to a terminal", async () => {
        await using session = startOnTerminal(cluster, kubectl, ["attach", "-it", "talker"]);
        await eventually("an answer", async () => {
          session.write("echo $((6*7))\n");
          await session.until(/\n42\r+\n/, 1_000);
        });
      });
    });

    describe("port-forward", () => {
      test("carries several requests at once, whole", async () => {
        await using session = startKubectl(cluster, kubectl, ["port-forward", "pod/server", ":8080"]);
        const port = await forwardedPort(session);
        const bodies = await Promise.all(
          Array.from({ length: 4 }, async () => (await httpGet(`http://127.0.0.1:${port}/numbers`)).body),
        );
        for (const body of bodies) expect(body.length).toBe(1_288_895);
      });

      test("a port where nobody listens ends that connection only", async () => {
        await using session = startKubectl(cluster, kubectl, ["port-forward", "pod/server", ":8080", ":9"]);
        await session.until(/-> 9\n/);
        const ports = [...session.stdout.matchAll(/127\.0\.0\.1:(\d+) ->/g)].map((match) => Number(match[1]));
        await closedByOther(ports[1] ?? 0);
        expect((await httpGet(`http://127.0.0.1:${ports[0]}/numbers`)).status).toBe(200);
      });
    });

    describe("debug", () => debugCases(() => cluster, kubectl));

    test("cp, there and back", async () => {
      const directory = mkdtempSync(join(tmpdir(), "cp-"));
      try {
        const [there, back] = [join(directory, "there"), join(directory, "back")];
        writeFileSync(there, "carried\n".repeat(100_000));
        const target = `shell:/tmp/${kubectl.version}`;
        await run("cp", there, target);
        await run("cp", target, back);
        expect(readFileSync(back, "utf8") === readFileSync(there, "utf8")).toBe(true);
      } finally {
        rmSync(directory, { recursive: true });
      }
    });
  });
});

/** A debugger that sees the processes of another container, in the Pod itself, in a copy, and on the node. */
function debugCases(cluster: () => Cluster, kubectl: Kubectl): void {
  const run = (...args: string[]) => cluster().kubectl(kubectl, args);
  const own = kubectl.version.replace(".", "-");
  const busybox = `--image=${BUSYBOX}`;

  test("debug sees the processes of a container that runs", async () => {
    const name = `seer-${own}`;
    const target = ["--target=main", "-c", name, busybox, "--profile=general"];
    await run("debug", "patient", ...target, "--", "sh", "-c", "ps; sleep 86400");
    await eventually("what it sees", async () => {
      expect(await run("logs", "patient", "-c", name)).toMatch(/^ +1 .*trap 'exit 143' TERM; sleep 86400/m);
    });
    const { status, spec } = await getPod(cluster(), kubectl, "patient");
    expect(status?.ephemeralContainerStatuses?.find((one) => one.name === name)?.state?.running).toBeDefined();
    expect(spec?.ephemeralContainers?.find((one) => one.name === name)?.targetContainerName).toBe("main");
    expect(await run("exec", "patient", "-c", name, "--", "hostname")).toBe("patient\n");
    expect(await run("describe", "pod", "patient")).toContain("Ephemeral Containers:");
  });

  test("debug with a terminal", async () => {
    const args = ["debug", "-it", "patient", "-c", `terminal-${own}`, busybox, "--profile=general", "--", "sh"];
    await using session = startOnTerminal(cluster(), kubectl, args);
    await eventually("an answer", async () => {
      session.write("echo $((6*7))\n");
      await session.until(/\n42\r+\n/, 1_000);
    });
    session.write("exit\n");
    expect((await session.ended()).code).toBe(0);
  });

  test("debug of a copy", async () => {
    const copy = `copy-${own}`;
    await run(
      "debug",
      "patient",
      `--copy-to=${copy}`,
      "--share-processes",
      "-c",
      "seer",
      busybox,
      "--",
      "sleep",
      "86400",
    );
    await ready(cluster(), kubectl, copy);
    expect(await run("exec", copy, "-c", "seer", "--", "ps")).toContain("sleep 86400 & wait");
  });

  test("debug of a node", async () => {
    const node = await run("get", "nodes", "-o", "jsonpath={.items[0].metadata.name}");
    const told = await cluster().tryKubectl(kubectl, [
      ...["debug", `node/${node}`, busybox, "--profile=general", "--", "chroot", "/host", "cat", "/proc/1/comm"],
    ]);
    const [, name = ""] = /Creating debugging pod (\S+) /.exec(told.stdout + told.stderr) ?? [];
    await eventually("its end", async () =>
      expect((await getPod(cluster(), kubectl, name)).status?.phase).toBe("Succeeded"),
    );
    expect(await run("logs", name)).toBe(readFileSync("/proc/1/comm", "utf8"));
  });
}

async function forwardedPort(session: { stdout: string; until(text: RegExp): Promise<void> }): Promise<number> {
  await session.until(/Forwarding from 127\.0\.0\.1:\d+ -> 8080/);
  return Number(/127\.0\.0\.1:(\d+)/.exec(session.stdout)?.[1]);
}

const closedByOther = (port: number) =>
  new Promise<void>((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => socket.write("hello\n"));
    socket.on("close", () => resolve()).on("error", () => undefined);
    socket.setTimeout(20_000, () => reject(new Error("still open after 20 s"))).resume();
  });
