/**
 * Run by: what runs the virtual machines, by K8TS_VM in the environment.
 *
 * `uml`, when it is left out: a kernel that is a program (linux.ts). `tcg`: qemu with a processor that it emulates, some
 * 50 times slower than a real one. `kvm`: qemu with the real one; asked for, since a /dev/kvm that is there does not
 * always work inside of another virtual machine.
 */
export type RunBy = "uml" | "tcg" | "kvm";

interface Pace {
  /** How much longer to wait than for a machine of metal. */
  readonly patience: number;
}

const PACES: Readonly<Record<RunBy, Pace>> = { uml: { patience: 3 }, tcg: { patience: 10 }, kvm: { patience: 1 } };

/** Throws on a word that is none of these. */
export function runBy(): RunBy {
  const asked = process.env["K8TS_VM"] ?? "uml";
  if (!(asked in PACES)) throw new Error(`K8TS_VM is ${asked}, and has to be one of ${Object.keys(PACES).join(", ")}`);
  return asked as RunBy;
}

export const paceOf = (kind: RunBy): Pace => PACES[kind];
