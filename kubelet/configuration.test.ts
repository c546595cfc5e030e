import { describe, expect, it } from "vitest";
import { readSettings, standardSettings } from "./configuration.ts";

const HEAD = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n";

describe("a kubelet's configuration", () => {
  it("reads durations, sizes and maps, and leaves the rest as it is", () => {
    const settings = readSettings(`${HEAD}
staticPodPath: /etc/kubernetes/manifests
evictionHard: { memory.available: 200Mi, nodefs.available: 5% }
evictionSoftGracePeriod: { memory.available: 1m30s }
containerLogMaxSize: 1Mi
shutdownGracePeriod: 0.5h
`);
    expect(settings).toEqual({
      ...standardSettings,
      staticPodPath: "/etc/kubernetes/manifests",
      evictionHard: { "memory.available": "200Mi", "nodefs.available": "5%" },
      evictionSoftGracePeriod: { "memory.available": 90_000 },
      containerLogMaxSize: 1024 * 1024,
      shutdownGracePeriod: 1_800_000,
    });
  });

  const wrong: readonly (readonly [text: string, message: string])[] = [
    ["kind: Pod", "apiVersion must be kubelet.config.k8s.io/v1beta1"],
    [`${HEAD}evictionHrad: {}`, "evictionHrad is no field that this kubelet knows"],
    [`${HEAD}fileCheckFrequency: soon`, 'fileCheckFrequency: "soon" is no duration such as 1m30s'],
    [`${HEAD}containerLogMaxSize: big`, 'containerLogMaxSize: "big" is no size such as 10Mi'],
    [`${HEAD}containerLogMaxFiles: -1`, "containerLogMaxFiles: must be a whole number of at least 0, not -1"],
    [
      `${HEAD}imageGCLowThresholdPercent: 90`,
      "imageGCLowThresholdPercent must be less than imageGCHighThresholdPercent",
    ],
    [
      `${HEAD}shutdownGracePeriodCriticalPods: 1s`,
      "shutdownGracePeriodCriticalPods must not be more than shutdownGracePeriod",
    ],
  ];
  it.each(wrong)("%j is refused", (text, message) => {
    expect(() => readSettings(text)).toThrow(message);
  });
});
