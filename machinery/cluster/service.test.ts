/** The unit of systemd that --install writes: what stands in it, and what must not. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { serviceArguments, unitText } from "./service.ts";

const unit = unitText({
  kind: "agent",
  program: "/opt/k8ts/k8ts",
  args: ["--server", "https://192.0.2.1:6443", "--node-labels", "disk=fast ssd,share=50%"],
  home: "/root/.k8ts",
});

test("containers live on when the unit stops, and their controllers stay", () => {
  expect(unit).toContain("\nDelegate=yes\n");
  expect(unit).toContain("\nKillMode=process\n");
  expect(unit).toContain("\nEnvironment=K8TS_HOME=/root/.k8ts\n");
  expect(unit).toContain(
    'ExecStart=/opt/k8ts/k8ts agent --server https://192.0.2.1:6443 --node-labels "disk=fast ssd,share=50%%"\n',
  );
});

test("the token is no argument of the unit", () => {
  const secret = "K10abc::abcdef.0123456789abcdef";
  for (const argv of [
    ["--install", "--server", "https://a", "--token", secret],
    ["--server", "https://a", `--token=${secret}`, "--install"],
  ])
    expect(serviceArguments(argv)).toEqual({ args: ["--server", "https://a"], token: secret });
  expect(serviceArguments(["--install", "--token-file", "/etc/token"])).toEqual({
    args: ["--token-file", "/etc/token"],
  });
});

test.skipIf(!existsSync("/usr/bin/systemd-analyze"))("systemd understands the unit", () => {
  const directory = mkdtempSync(join(tmpdir(), "k8ts-unit-"));
  try {
    const file = join(directory, "k8ts-agent.service");
    writeFileSync(file, unit.replace("/opt/k8ts/k8ts", "/bin/true"));
    const said = execFileSync("systemd-analyze", ["verify", "--man=no", file], { encoding: "utf8", stdio: "pipe" });
    expect(said).toBe("");
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
