import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { hasLink } from "./links.ts";

test("the loopback interface is there, another is not", () => {
  expect(hasLink("lo")).toBe(true);
  expect(hasLink("nothing0")).toBe(false);
});

test.runIf(process.platform === "linux" && process.getuid?.() === 0)(
  "links are those of the own network namespace",
  () => {
    const script = `import { hasLink, portsOf } from ${JSON.stringify(join(import.meta.dirname, "links.ts"))};
    console.log(JSON.stringify([hasLink("inside0"), await portsOf("inside0")]));`;
    const commands = `ip link add inside0 type bridge && ip link add port0 type veth peer name port1 && ip link set port0 master inside0
    "${process.execPath}" --disable-warning=ExperimentalWarning --input-type=module-typescript -e '${script}'`;
    // Without a mount namespace /sys still shows the interfaces outside.
    const said = execFileSync("unshare", ["--net", "sh", "-c", commands], { encoding: "utf8" });
    expect(JSON.parse(said)).toEqual([true, ["port0"]]);
    expect(hasLink("inside0")).toBe(false);
  },
);
